# SPDX-License-Identifier: MIT
"""moeclip in Python: this file and the shared library moeclip_c, which it calls through ctypes.

    import moeclip
    with moeclip.Detector("part.moeclip") as detector:
        result = detector.detect("photo.png")      # or an array (H, W) or (H, W, 3) of uint8, or an encoded picture
        print(result.score, result.is_anomalous, result.regions, result.map.shape)

Maps are NumPy arrays where NumPy is installed, else memoryviews of shape (height, width). A detector may be used by any
number of threads at once. The library is the one that $MOECLIP_LIBRARY names, or lies beside this file or in lib/ of the
tree that this file is installed in, or that the system finds.
"""
import ctypes
import ctypes.util
import os
import sys
import threading
from collections import namedtuple
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path

try:
    import numpy
except ImportError:
    numpy = None

ABI = 1  # MOECLIP_C_ABI of moeclip.h


class MoeclipError(Exception):
    """What went wrong; `code` is one of contract, io, format, unsupported, limit, missing, mismatch, memory,
    unexpected."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


# An area of the map that is anomalous: its box in pixels of the picture, and where the map is largest in it.
Region = namedtuple("Region", "x y width height area peak_x peak_y peak")


class _LoadOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("clip", c_char_p), ("adapter", c_char_p), ("memory", c_char_p),
                ("classes", POINTER(c_char_p)), ("class_count", c_size_t), ("normal", POINTER(c_char_p)),
                ("normal_count", c_size_t), ("abnormal", POINTER(c_char_p)), ("abnormal_count", c_size_t),
                ("vocabulary", c_char_p), ("image_size", c_int64), ("threads", c_int32)]


class _Pixels(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("data", c_void_p), ("byte_count", c_size_t), ("width", c_int64),
                ("height", c_int64), ("channels", c_int64), ("row_stride", c_int64)]


class _Verdict(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("score", c_float), ("threshold", c_float), ("pixel_threshold", c_float),
                ("is_anomalous", c_int32), ("has_verdict", c_int32), ("width", c_int64), ("height", c_int64)]


class _Region(ctypes.Structure):
    _fields_ = [(name, c_int64) for name in Region._fields[:-1]] + [("peak", c_double)]


_FUNCTIONS = {  # name without "moeclip_": result, arguments
    "version": (c_char_p, []),
    "abi_version": (c_int, []),
    "status_name": (c_char_p, [c_int]),
    "last_error": (c_char_p, []),
    "context_create": (c_int, [c_int32, POINTER(c_void_p)]),
    "context_destroy": (None, [c_void_p]),
    "detector_load_model": (c_int, [c_char_p, c_int32, POINTER(c_void_p)]),
    "detector_load": (c_int, [POINTER(_LoadOptions), POINTER(c_void_p)]),
    "detector_set_threshold": (c_int, [c_void_p, c_float]),
    "detector_class_count": (c_size_t, [c_void_p]),
    "detector_class_name": (c_char_p, [c_void_p, c_size_t]),
    "detector_destroy": (None, [c_void_p]),
    "result_create": (c_int, [POINTER(c_void_p)]),
    "result_destroy": (None, [c_void_p]),
    "detect_pixels": (c_int, [c_void_p, c_void_p, POINTER(_Pixels), c_char_p, c_void_p]),
    "detect_encoded": (c_int, [c_void_p, c_void_p, c_char_p, c_size_t, c_char_p, c_void_p]),
    "detect_file": (c_int, [c_void_p, c_void_p, c_char_p, c_char_p, c_void_p]),
    "result_verdict": (c_int, [c_void_p, POINTER(_Verdict)]),
    "result_regions": (c_int, [c_void_p, POINTER(POINTER(_Region)), POINTER(c_size_t)]),
    "result_map": (c_int, [c_void_p, POINTER(POINTER(c_float)), POINTER(c_int64), POINTER(c_int64)]),
    "result_remark": (c_int, [c_void_p, POINTER(c_char_p)]),
}


def _candidates():
    """Where the library may be, best first."""
    if os.environ.get("MOECLIP_LIBRARY"):
        return [os.environ["MOECLIP_LIBRARY"]]  # final: no other is what was asked for
    name = {"win32": "moeclip_c.dll", "darwin": "libmoeclip_c.dylib"}.get(sys.platform, "libmoeclip_c.so")
    here = Path(__file__).resolve().parent
    folders = [here, *(here.parents[1] / lib for lib in ("lib", "lib64", "bin")),
               *sorted((here.parents[1] / "lib").glob("*-linux-gnu"))]
    return [str(folder / name) for folder in folders if (folder / name).exists()] + [
        found for found in [ctypes.util.find_library("moeclip_c")] if found]


def _load():
    tried = _candidates()
    if not tried:
        raise ImportError("the library moeclip_c was not found; name it with MOECLIP_LIBRARY")
    library = ctypes.CDLL(tried[0])
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, "moeclip_" + name)
        function.restype, function.argtypes = result, arguments
    if library.moeclip_abi_version() != ABI:
        raise ImportError(f"{tried[0]} has ABI {library.moeclip_abi_version()}; this file is for {ABI}")
    return library


_library = _load()


def version():
    """Version of the library, "x.y.z"."""
    return _library.moeclip_version().decode()


def _call(name, *arguments):
    """Calls a function of the library. Raises MoeclipError unless its status is ok."""
    status = getattr(_library, "moeclip_" + name)(*arguments)
    if status != 0:
        raise MoeclipError(_library.moeclip_status_name(status).decode(),
                           _library.moeclip_last_error().decode("utf-8", "replace"))


def _text(text):
    """UTF-8, or NULL for None."""
    if text is None:
        return None
    data = os.fsencode(text) if isinstance(text, os.PathLike) else text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError(f"{text!r} has a zero in it")
    return data


def _texts(texts):
    """An array of strings, and how many."""
    if not texts:
        return None, 0
    return (c_char_p * len(texts))(*map(_text, texts)), len(texts)


class _Object:
    """Something of the library that is destroyed with this, at the latest."""

    _kind = ""

    def __init__(self, create, *arguments):
        self._pointer = c_void_p()
        _call(create, *arguments, byref(self._pointer))

    def close(self):
        """Frees it now; it cannot be used any more."""
        pointer, self._pointer = getattr(self, "_pointer", None), None
        if pointer:
            getattr(_library, f"moeclip_{self._kind}_destroy")(pointer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()


class Context(_Object):
    """Threads to compute on, 0: one per core. One picture at a time."""

    _kind = "context"

    def __init__(self, threads=0):
        super().__init__("context_create", threads)


class Result(_Object):
    """What a picture gave. Made once and handed to detect again, it saves allocations."""

    _kind = "result"

    def __init__(self):
        super().__init__("result_create")

    def _verdict(self):
        verdict = _Verdict(struct_size=ctypes.sizeof(_Verdict))
        _call("result_verdict", self._pointer, byref(verdict))
        return verdict

    @property
    def score(self):
        """Of the picture; larger: more likely defective."""
        return self._verdict().score

    @property
    def threshold(self):
        """That the score was compared with; None: there is none."""
        verdict = self._verdict()
        return verdict.threshold if verdict.has_verdict else None

    @property
    def pixel_threshold(self):
        """Of the map, that regions were cut at."""
        return self._verdict().pixel_threshold

    @property
    def is_anomalous(self):
        """Whether the score reaches the threshold; None without one."""
        verdict = self._verdict()
        return bool(verdict.is_anomalous) if verdict.has_verdict else None

    @property
    def size(self):
        """(width, height) of the picture."""
        verdict = self._verdict()
        return verdict.width, verdict.height

    @property
    def regions(self):
        """List of Region, highest peak first."""
        found, count = POINTER(_Region)(), c_size_t()
        _call("result_regions", self._pointer, byref(found), byref(count))
        return [Region(*(getattr(found[i], name) for name in Region._fields)) for i in range(count.value)]

    @property
    def map(self):
        """The anomaly map, a copy, float32 of shape (height, width)."""
        values, height, width = POINTER(c_float)(), c_int64(), c_int64()
        _call("result_map", self._pointer, byref(values), byref(height), byref(width))
        shape = (height.value, width.value)
        data = bytearray(ctypes.string_at(values, 4 * shape[0] * shape[1]))
        return numpy.frombuffer(data, numpy.float32).reshape(shape) if numpy else memoryview(data).cast("f", shape)

    @property
    def remark(self):
        """What a person should know of the file that was read; mostly ""."""
        remark = c_char_p()
        _call("result_remark", self._pointer, byref(remark))
        return remark.value.decode("utf-8", "replace")


def _pixels(picture):
    """(structure, what keeps its memory) of an array."""
    if numpy:
        array = numpy.asarray(picture)
        if array.dtype != numpy.uint8:
            raise TypeError(f"pixels are uint8, not {array.dtype}")
        shape = array.shape
        if array.ndim in (2, 3):
            pixel = (*shape, 1)[2]  # bytes of one; a window on channels leaves gaps between pixels, and is copied
            is_packed = array.strides[1:] == (pixel, 1)[3 - array.ndim:] and array.strides[0] >= shape[1] * pixel
            array = array if is_packed else numpy.ascontiguousarray(array)
            data, keeper, stride = array.ctypes.data, array, array.strides[0]
    else:
        view = memoryview(picture)
        if view.format != "B":
            raise TypeError(f"pixels are unsigned bytes, not of format {view.format}")
        shape, stride = view.shape, 0
        keeper = ctypes.create_string_buffer(view.tobytes(), max(view.nbytes, 1))
        data = ctypes.addressof(keeper)
    if len(shape) not in (2, 3):
        raise ValueError(f"pixels have the shape (H, W) or (H, W, 3), not {tuple(shape)}")
    height, width, channels = (*shape, 1)[:3]
    stride = stride if height > 1 else width * channels
    count = max(height - 1, 0) * (stride or width * channels) + width * channels
    return _Pixels(ctypes.sizeof(_Pixels), data, count, width, height, channels, stride), keeper


class Detector(_Object):
    """What judges pictures: a file of `moeclip export`, or CLIP, adapter, words and a memory of good pictures."""

    _kind = "detector"

    def __init__(self, model=None, *, clip=None, adapter=None, memory=None, classes=None, normal=None, abnormal=None,
                 vocabulary=None, image_size=0, threads=0):
        self._contexts, self._threads = threading.local(), threads
        if model is not None:
            if any((clip, adapter, memory, classes, normal, abnormal, vocabulary, image_size)):
                raise TypeError("a model holds all that the other arguments would name")
            super().__init__("detector_load_model", _text(model), threads)
            return
        options = _LoadOptions(ctypes.sizeof(_LoadOptions), _text(clip), _text(adapter), _text(memory),
                               *_texts(classes), *_texts(normal), *_texts(abnormal), _text(vocabulary), image_size, threads)
        super().__init__("detector_load", byref(options))

    @property
    def classes(self):
        """Names of the classes that it has words for."""
        count = _library.moeclip_detector_class_count(self._pointer)
        return [_library.moeclip_detector_class_name(self._pointer, i).decode() for i in range(count)]

    def set_threshold(self, threshold):
        """Changes the threshold of scores and pixels. Not while other threads use the detector."""
        _call("detector_set_threshold", self._pointer, threshold)

    def detect(self, picture, class_name=None, *, context=None, result=None):
        """Judges a file (str or path), an encoded picture (bytes) or pixels, (H, W) or (H, W, 3) of uint8. Returns
        `result`, or a new one. Without a `context` each thread has one of its own."""
        if context is None:
            if not hasattr(self._contexts, "own"):
                self._contexts.own = Context(self._threads)
            context = self._contexts.own
        result = Result() if result is None else result
        rest = (_text(class_name), result._pointer)
        if isinstance(picture, (str, os.PathLike)):
            _call("detect_file", self._pointer, context._pointer, _text(picture), *rest)
        elif isinstance(picture, (bytes, bytearray)):
            _call("detect_encoded", self._pointer, context._pointer, bytes(picture), len(picture), *rest)
        else:
            pixels, keeper = _pixels(picture)
            _call("detect_pixels", self._pointer, context._pointer, byref(pixels), *rest)
            del keeper
        return result
