// SPDX-License-Identifier: MIT
// The fourteen data sets, each as a miniature of what is downloaded: names, extensions and folders are the true ones.
#include <moeclip/data/layout/recognise.hpp>

#include <doctest/doctest.h>

#include "expect_error.hpp"
#include "tree_fixture.hpp"

using namespace moeclip;

namespace {

using Lines = std::vector<std::string>;

void put_mvtec_class(const Tree& tree, const std::string& name) {
  tree.picture(name + "/train/good/000.png");
  tree.picture(name + "/test/good/000.png");
  tree.picture(name + "/test/broken_large/000.png");
  tree.mask(name + "/ground_truth/broken_large/000_mask.png");
}

std::string set_of(const DatasetListing& listing, std::size_t i = 0) {
  const KnownSet* set = listing.classes.at(i).set;
  return set == nullptr ? "" : std::string(set->name);
}

}  // namespace

TEST_CASE("MVTec AD: defects with folders of their own, masks named _mask") {
  const Tree tree("layout_mvtec");
  put_mvtec_class(tree, "mvtec_anomaly_detection/bottle");
  put_mvtec_class(tree, "mvtec_anomaly_detection/metal_nut");
  tree.text("mvtec_anomaly_detection/license.txt", "CC");
  tree.text("mvtec_anomaly_detection/bottle/readme.txt", "text");
  const std::string root = "mvtec_anomaly_detection";
  CHECK(tree.scan(root) == Lines{root + "/bottle/test/broken_large/000.png 1 bottle " + root +
                                     "/bottle/ground_truth/broken_large/000_mask.png",
                                 root + "/bottle/test/good/000.png 0 bottle",
                                 root + "/metal_nut/test/broken_large/000.png 1 metal_nut " + root +
                                     "/metal_nut/ground_truth/broken_large/000_mask.png",
                                 root + "/metal_nut/test/good/000.png 0 metal_nut"});
  CHECK(tree.scan(root, {.split = Split::train}) ==
        Lines{root + "/bottle/train/good/000.png 0 bottle", root + "/metal_nut/train/good/000.png 0 metal_nut"});
  CHECK(tree.scan(root, {.split = std::nullopt}).size() == 6);
  const DatasetListing listing = scan_dataset(tree / root);
  CHECK(listing.layout == "mvtec");
  CHECK(listing.notes.empty());
  CHECK(listing.classes.size() == 2);
  CHECK(set_of(listing) == "MVTec");
  CHECK(listing.classes[1].train == 1);
  CHECK(listing.classes[1].good == 1);
  CHECK(listing.classes[1].masks == 1);

  // One class alone is known by the folder around it, the set from further outside as well.
  const DatasetListing bottle = scan_dataset(tree / (root + "/bottle"));
  CHECK(bottle.is_one_class);
  CHECK(set_of(bottle) == "MVTec");
  CHECK(bottle.classes[0].name == "bottle");
  CHECK(tree.lines(scan_dataset(tree.path())) == tree.scan(root));
}

TEST_CASE("VisA as it comes: the table says what is for testing") {
  const Tree tree("layout_visa");
  for (const char* name : {"pcb1", "pipe_fryum"}) {
    const std::string data = concat("VisA_20220922/", name, "/Data/");
    tree.picture(data + "Images/Normal/0000.JPG");
    tree.picture(data + "Images/Normal/0001.JPG");
    tree.picture(data + "Images/Anomaly/000.JPG");
    tree.mask(data + "Masks/Anomaly/000.png", 2);
    tree.text(concat("VisA_20220922/", name, "/image_anno.csv"), "image,label,mask\nx,bent,y\n");
  }
  tree.text("VisA_20220922/LICENSE-DATASET", "CC");
  const std::string root = "VisA_20220922";
  {
    const DatasetListing all = scan_dataset(tree / root);
    CHECK(all.layout == "visa");
    CHECK(set_of(all) == "VisA");
    CHECK(all.entries.size() == 6);
    CHECK_FALSE(all.is_parted);
    REQUIRE(all.notes.size() == 1);
    CHECK(all.notes[0].find("1cls.csv") != std::string::npos);
    CHECK(tree.scan(root + "/pcb1").size() == 3);
  }
  std::string table = "object,split,label,image,mask\r\n";
  for (const char* name : {"pcb1", "pipe_fryum"})
    table += concat(name, ",train,normal,", name, "/Data/Images/Normal/0000.JPG,\r\n", name, ",test,normal,", name,
                    "/Data/Images/Normal/0001.JPG,\r\n", name, ",test,anomaly,", name, "/Data/Images/Anomaly/000.JPG,",
                    name, "/Data/Masks/Anomaly/000.png\r\n");
  tree.text(root + "/split_csv/1cls.csv", table);
  tree.text(root + "/split_csv/2cls_fewshot.csv", "object,split\n");
  CHECK(tree.scan(root) ==
        Lines{root + "/pcb1/Data/Images/Anomaly/000.JPG 1 pcb1 " + root + "/pcb1/Data/Masks/Anomaly/000.png",
              root + "/pcb1/Data/Images/Normal/0001.JPG 0 pcb1",
              root + "/pipe_fryum/Data/Images/Anomaly/000.JPG 1 pipe_fryum " + root +
                  "/pipe_fryum/Data/Masks/Anomaly/000.png",
              root + "/pipe_fryum/Data/Images/Normal/0001.JPG 0 pipe_fryum"});
  CHECK(scan_dataset(tree / root).classes[0].train == 1);
  CHECK(scan_dataset(tree / root).notes.empty());

  tree.text(root + "/split_csv/1cls.csv", "object,split,label,image,mask\npcb1,test,strange,a,b\n");
  expect_error(ErrorCode::format, {"1cls.csv", "row 2", "strange"}, [&] { scan_dataset(tree / root); });
  tree.text(root + "/split_csv/1cls.csv", "object,split,label,image,mask\npcb1,later,normal,a,b\n");
  expect_error(ErrorCode::format, {"1cls.csv", "row 2", "later"}, [&] { scan_dataset(tree / root); });
  tree.text(root + "/split_csv/1cls.csv", "object,label\n");
  expect_error(ErrorCode::format, {"1cls.csv", "columns"}, [&] { scan_dataset(tree / root); });
}

TEST_CASE("VisA brought into the form of MVTec AD") {
  const Tree tree("layout_visa_1cls");
  tree.picture("visa_pytorch/1cls/candle/train/good/0000.JPG");
  tree.picture("visa_pytorch/1cls/candle/test/good/0001.JPG");
  tree.picture("visa_pytorch/1cls/candle/test/bad/000.JPG");
  tree.mask("visa_pytorch/1cls/candle/ground_truth/bad/000.png");
  const DatasetListing listing = scan_dataset(tree / "visa_pytorch");
  CHECK(listing.layout == "mvtec");
  CHECK(set_of(listing) == "VisA");
  CHECK(listing.classes[0].masks == 1);
}

TEST_CASE("BTAD: ok and ko, BMP and PNG side by side") {
  const Tree tree("layout_btad");
  const std::string root = "BTech_Dataset_transformed";
  const auto put = [&](const std::string& name, const std::string& image, const std::string& mask) {
    tree.picture(root + "/" + name + "/train/ok/0000" + image);
    tree.picture(root + "/" + name + "/test/ok/0000" + image);
    tree.picture(root + "/" + name + "/test/ko/0000" + image);
    tree.mask(root + "/" + name + "/ground_truth/ko/0000" + mask);
  };
  put("01", ".bmp", ".png");
  put("02", ".png", ".png");
  put("03", ".bmp", ".bmp");
  const DatasetListing listing = scan_dataset(tree / root);
  CHECK(listing.layout == "mvtec");
  CHECK(set_of(listing, 2) == "BTAD");
  CHECK(tree.lines(listing) == Lines{root + "/01/test/ko/0000.bmp 1 01 " + root + "/01/ground_truth/ko/0000.png",
                                     root + "/01/test/ok/0000.bmp 0 01",
                                     root + "/02/test/ko/0000.png 1 02 " + root + "/02/ground_truth/ko/0000.png",
                                     root + "/02/test/ok/0000.png 0 02",
                                     root + "/03/test/ko/0000.bmp 1 03 " + root + "/03/ground_truth/ko/0000.bmp",
                                     root + "/03/test/ok/0000.bmp 0 03"});
}

TEST_CASE("DTD-Synthetic: each Woven is a class of its own") {
  const Tree tree("layout_dtd");
  const Lines names{"Blotchy_099",    "Fibrous_183", "Marbled_078", "Matted_069", "Mesh_114",  "Perforated_037",
                    "Stratified_154", "Woven_001",   "Woven_068",   "Woven_104",  "Woven_125", "Woven_127"};
  for (const std::string& name : names) {
    const std::string at = "DTD-Synthetic/DTD-Synthetic/" + name;
    tree.picture(at + "/train/good/000.png");
    tree.picture(at + "/test/good/000.png");
    tree.picture(at + "/test/bad/000.png");
    tree.mask(at + "/ground_truth/bad/000_mask.png");
  }
  const DatasetListing listing = scan_dataset(tree / "DTD-Synthetic");
  REQUIRE(listing.classes.size() == 12);
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(listing.classes[i].name == names[i]);
    CHECK(set_of(listing, i) == "DTD-Synthetic");
    CHECK(listing.classes[i].masks == 1);
  }
  CHECK(listing.entries.size() == 24);
}

TEST_CASE("Brain MRI, Liver CT and Retina OCT in the form of BMAD") {
  const Tree tree("layout_bmad");
  const auto put = [&](const std::string& at) {
    tree.picture(at + "/train/good/00003_60.png");
    for (const std::string part : {"/valid", "/test"}) {
      tree.picture(at + part + "/good/img/00000_96.png");
      tree.picture(at + part + "/Ungood/img/00002_60.png");
      tree.mask(at + part + "/Ungood/label/00002_60.png");
    }
  };
  put("Brain_AD"), put("Liver_AD"), put("Retina_RESC_AD");
  tree.picture("Retina_RESC_AD/test/good/label/00000_96.png");  // black, in one of them
  const DatasetListing all = scan_dataset(tree.path());
  CHECK(all.layout == "bmad");
  CHECK(tree.lines(all) ==
        Lines{"Brain_AD/test/Ungood/img/00002_60.png 1 Brain Brain_AD/test/Ungood/label/00002_60.png",
              "Brain_AD/test/good/img/00000_96.png 0 Brain",
              "Liver_AD/test/Ungood/img/00002_60.png 1 Liver Liver_AD/test/Ungood/label/00002_60.png",
              "Liver_AD/test/good/img/00000_96.png 0 Liver",
              "Retina_RESC_AD/test/Ungood/img/00002_60.png 1 Retina Retina_RESC_AD/test/Ungood/label/00002_60.png",
              "Retina_RESC_AD/test/good/img/00000_96.png 0 Retina"});
  CHECK(all.classes[0].train == 1);
  CHECK(all.classes[0].valid == 2);
  CHECK(set_of(all, 2) == "Retina");
  CHECK(tree.scan("Liver_AD") ==
        Lines{"Liver_AD/test/Ungood/img/00002_60.png 1 Liver Liver_AD/test/Ungood/label/00002_60.png",
              "Liver_AD/test/good/img/00000_96.png 0 Liver"});
  put("Retina_OCT2017_AD");  // not one of the fourteen
  CHECK(scan_dataset(tree / "Retina_OCT2017_AD").classes[0].set == nullptr);
}

TEST_CASE("RSDD: two folders, one class; JPEG masks") {
  const Tree tree("layout_rsdd");
  for (const std::string type : {"I", "II"}) {
    const std::string at = "RSDDs dataset/Type-" + type + " RSDDs dataset/";
    tree.picture(at + "Rail surface images/rail_1.jpg");
    tree.mask(at + "GroundTruth/rail_1.jpg");
  }
  const DatasetListing listing = scan_dataset(tree / "RSDDs dataset");
  CHECK(listing.layout == "image_mask");
  REQUIRE(listing.classes.size() == 1);
  CHECK(listing.classes[0].name == "RSDD");
  CHECK(listing.classes[0].defective == 2);
  CHECK(listing.classes[0].masks == 2);
}

TEST_CASE("Head CT as it comes, with a table of numbers, and sorted into folders") {
  const Tree tree("layout_headct");
  for (int i : {0, 7, 12, 100, 199})
    tree.picture(concat("a/head_ct/head_ct/", std::string(i < 10 ? "00" : i < 100 ? "0" : ""), i, ".png"));
  tree.text("a/labels.csv", "id, hemorrhage\n0,1\n7,1\n12,1\n100,0\n199,0\n");
  CHECK(tree.scan("a", {.layout = "headct"}) ==
        Lines{"a/head_ct/head_ct/000.png 1 headct", "a/head_ct/head_ct/007.png 1 headct",
              "a/head_ct/head_ct/012.png 1 headct", "a/head_ct/head_ct/100.png 0 headct",
              "a/head_ct/head_ct/199.png 0 headct"});
  CHECK(scan_dataset(tree / "a").layout == "csv");
  tree.picture("headct/normal/001.png");
  tree.picture("headct/abnormal/002.png");
  CHECK(tree.scan("headct") == Lines{"headct/abnormal/002.png 1 headct", "headct/normal/001.png 0 headct"});
  CHECK(set_of(scan_dataset(tree / "headct")) == "headct");
  tree.picture("HeadCT_anomaly_detection/headct/test/good/101.png");
  tree.picture("HeadCT_anomaly_detection/headct/test/defect/001.png");
  CHECK(scan_dataset(tree / "HeadCT_anomaly_detection").classes[0].name == "headct");
}

TEST_CASE("colon sets: all pictures show a polyp") {
  const Tree tree("layout_colon");
  const auto put = [&](const std::string& images, const std::string& masks) {
    tree.picture(images);
    tree.mask(masks, 255, true);
  };
  put("CVC-ColonDB/images/1.png", "CVC-ColonDB/masks/1.png");
  put("CVC-300/images/149.png", "CVC-300/masks/149.png");
  put("Kvasir-SEG/images/cju0qkwl35piu.jpg", "Kvasir-SEG/masks/cju0qkwl35piu.jpg");
  put("EndoTect_2020_Segmentation_Test_Dataset/images/a.jpg", "EndoTect_2020_Segmentation_Test_Dataset/masks/a.jpg");
  put("ClinicDB/CVC-ClinicDB/PNG/Original/1.png", "ClinicDB/CVC-ClinicDB/PNG/Ground Truth/1.png");
  tree.text("ClinicDB/CVC-ClinicDB/TIF/Original/1.tif", "II*");
  tree.text("ClinicDB/CVC-ClinicDB/TIF/Ground Truth/1.tif", "II*");
  CHECK(tree.scan("CVC-ColonDB") == Lines{"CVC-ColonDB/images/1.png 1 Colon_colonDB CVC-ColonDB/masks/1.png"});
  CHECK(tree.scan("CVC-300") == Lines{"CVC-300/images/149.png 1 CVC-300 CVC-300/masks/149.png"});
  CHECK(tree.scan("Kvasir-SEG")[0].ends_with(" 1 Kvasir Kvasir-SEG/masks/cju0qkwl35piu.jpg"));
  CHECK(scan_dataset(tree / "EndoTect_2020_Segmentation_Test_Dataset").classes[0].name == "Endo");
  for (const char* at : {"ClinicDB", "ClinicDB/CVC-ClinicDB"}) {
    const DatasetListing clinic = scan_dataset(tree / at);
    REQUIRE(clinic.entries.size() == 1);
    CHECK(clinic.entries[0].class_name == "Colon_clinicDB");
    CHECK(file_name(clinic.entries[0].image_path) == "1.png");
    CHECK(clinic.notes.size() == 1);
  }
  tree.picture("CVC-300/images/150.png");  // its mask is missing, and it is defective all the same
  CHECK(tree.scan("CVC-300")[1] == "CVC-300/images/150.png 1 CVC-300");
  // A set that a list of hints does not know is named by hand.
  put("download/images/1.png", "download/masks/1.png");
  CHECK(scan_dataset(tree / "download").classes[0].name == "download");
  CHECK(scan_dataset(tree / "download", {.layout = "Colon_Kvasir"}).classes[0].name == "Kvasir");
}
