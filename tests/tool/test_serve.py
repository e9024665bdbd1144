# SPDX-License-Identifier: MIT
"""`moeclip serve` as clients of every kind meet it."""
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import TOOL, ToolTest, png
from test_streams import ppm, texture

import test_streams


class ServeTest(ToolTest):
    setUpClass = classmethod(test_streams.StreamTest.setUpClass.__func__)
    tearDownClass = classmethod(test_streams.StreamTest.tearDownClass.__func__)

    def serve(self, *options, listen="127.0.0.1:0"):
        process = subprocess.Popen([TOOL, "serve", "--good", self.memory, "--listen", listen, *map(str, options)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close(), process.stderr.close()))
        line = process.stderr.readline().decode()
        self.assertIn("listening at", line)
        self.place = line.split()[-1].removeprefix("http://")
        return process

    def ask(self, method, path, body=None, **headers):
        client = http.client.HTTPConnection(self.place, timeout=20)
        client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = client.getresponse()
        data = answer.read()
        client.close()
        return answer, data

    def say(self, data, family=socket.AF_INET):
        """What comes back for raw bytes until the connection is closed."""
        host, port = self.place.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(data)
            pieces = []
            while piece := client.recv(65536):
                pieces.append(piece)
            return b"".join(pieces)


class Service(ServeTest):
    def test_verdicts_are_those_of_detect(self):
        self.serve()
        for data in (ppm(1), png(64, 64, texture(2))):
            answer, body = self.ask("POST", "/detect", data)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/json"))
            verdict = json.loads(body)
            alone, = self.objects("detect", self.write("alone", data), "--good", self.memory)
            for name in ("score", "is_anomalous", "threshold", "map", "regions", "width"):
                self.assertEqual(verdict[name], alone[name])
        answer, body = self.ask("POST", "/detect", ppm(1), Accept="image/png")
        self.assertEqual(answer.headers["Content-Type"], "image/png")
        self.assertTrue(body.startswith(b"\x89PNG"))
        for accept, kind in (("image/png;q=0, application/json", "application/json"), ("IMAGE/PNG", "image/png"),
                             ("application/json, image/png;q=0.1", "application/json"), ("image/*", "image/png"),
                             ("*/*", "application/json"), ("text/html, image/png;q=0.3, */*;q=0.2", "image/png")):
            self.assertEqual(self.ask("POST", "/detect", ppm(1), Accept=accept)[0].headers["Content-Type"], kind)
        last = json.loads(self.ask("GET", "/verdicts")[1])
        self.assertEqual(len(last), 9)
        metrics = self.ask("GET", "/metrics")[1].decode()
        self.assertIn("moeclip_latency_seconds_count 9", metrics)
        self.assertIn('moeclip_latency_seconds_bucket{le="+Inf"} 9', metrics)
        self.assertRegex(metrics, r"process_resident_memory_bytes \d{6,}")

    def test_pages_and_refusals(self):
        self.serve()
        answer, body = self.ask("GET", "/")
        self.assertIn(b"Drop pictures here", body)
        self.assertNotIn(b"http://", body)
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        self.assertEqual(self.ask("GET", "/healthz")[1], b"ok\n")
        for method, path, status in (("GET", "/detect", 405), ("POST", "/", 405), ("PUT", "/detect", 405),
                                     ("HEAD", "/detect", 405), ("GET", "/../etc/passwd", 404), ("GET", "/healthz/", 404)):
            self.assertEqual(self.ask(method, path)[0].status, status, (method, path))
        for body, status in ((b"", 411), (b"no picture", 422), (b"qoif........", 415), (ppm(0)[:-9], 422),
                             (b"P6 30000 30000 255 x", 413)):
            self.assertEqual(self.ask("POST", "/detect", body)[0].status, status, body[:20])
        answer, body = self.ask("POST", "/detect", b"--x\r\n", Content_Type="multipart/form-data; boundary=x")
        self.assertEqual((answer.status, b"--data-binary" in body), (415, True))
        self.assertEqual(self.ask("GET", "/verdicts", Origin="http://evil.example")[0].status, 403)
        self.assertEqual(self.ask("GET", "/verdicts", Host="evil.example")[0].status, 403)
        self.assertEqual(self.ask("GET", "/verdicts", Host="localhost:80", Origin="http://localhost:80")[0].status, 200)
        self.assertIn(b"moeclip_failures_total 4", self.ask("GET", "/metrics")[1])

    def test_connections_stay_open_and_requests_may_follow_at_once(self):
        self.serve()
        data = ppm(0)
        one = b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data
        said = self.say(3 * one + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(said.count(b"HTTP/1.1 200 OK"), 4)
        chunks = b"POST /detect HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        for at in range(0, len(data), 5000):
            chunks += b"%x\r\n" % len(data[at:at + 5000]) + data[at:at + 5000] + b"\r\n"
        self.assertIn(b"200 OK", self.say(chunks + b"0\r\n\r\n"))
        waiting = one.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", 1)
        head, _, body = waiting.partition(b"\r\n\r\n")
        host, port = self.place.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(head + b"\r\n\r\n")
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 100 Continue"))
            client.sendall(body)
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 OK"))

    def test_what_could_be_read_in_two_ways_is_refused(self):
        self.serve("--body", 1)
        start = b"POST /detect HTTP/1.1\r\nHost: localhost\r\n"
        for rest, status in ((b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
                             (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                             (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
                             (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
                             (b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n" + bytes(20), 400),
                             (b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", 400),
                             (b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
                             (b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", 400),
                             (b"Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n", 413),
                             (b"Content-Length: +3\r\n\r\nabc", 400), (b"Content-Length: 3, 3\r\n\r\nabc", 400),
                             (b"Content-Length: 0x3\r\n\r\nabc", 400), (b"Content-Length: 99999999\r\n\r\n", 413),
                             (b"Content-Length : 3\r\n\r\nabc", 400), (b"X: a\r\n folded\r\n\r\n", 400),
                             (b"X: a\nContent-Length: 3\r\n\r\nabc", 400), (b"X: a\rb\r\n\r\n", 400),
                             (b"X: \0\r\n\r\n", 400), (b"Host: localhost\r\n\r\n", 400),
                             (b"X: " + 20000 * b"a" + b"\r\n\r\n", 431), (100 * b"X: a\r\n" + b"\r\n", 431)):
            said = self.say(start + rest)
            self.assertTrue(said.startswith(b"HTTP/1.1 %d " % status), (rest[:60], said[:60]))
            self.assertIn(b"Connection: close", said)
        for line, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
                             (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400), (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                             (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)):
            self.assertTrue(self.say(line).startswith(b"HTTP/1.1 %d " % status), line)

    def test_a_head_has_no_body_and_a_list_may_close(self):
        self.serve()
        for path, status in (("/healthz", b"200"), ("/", b"200"), ("/detect", b"405"), ("/nothing", b"404")):
            said = self.say(b"HEAD %s HTTP/1.1\r\nHost: LocalHost:80\r\n\r\n" % path.encode() +
                            b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: TE, Close\r\n\r\n")
            first, second, body = said.split(b"\r\n\r\n")  # what follows a head is the next answer
            self.assertIn(b"HTTP/1.1 " + status, first)
            self.assertNotIn(b"Content-Length: 0", first)
            self.assertTrue(second.startswith(b"HTTP/1.1 200 OK"), second)
            self.assertEqual(body, b"ok\n")
        refused = self.say(b"HEAD /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")  # at once
        self.assertTrue(refused.startswith(b"HTTP/1.1 404") and refused.endswith(b"\r\n\r\n"), refused)
        old = self.say(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
        self.assertEqual((old.count(b"Connection: keep-alive\r\n"), old.count(b"Connection: close\r\n")), (1, 1))

    def test_names_that_others_may_own_are_not_this_machine(self):
        self.serve()
        for host, status in (("127.0.0.1:8080", 200), ("[::1]:80", 200), ("LOCALHOST", 200), ("127.evil.example", 403),
                             ("[::1].evil.example", 403), ("localhost.evil.example", 403), ("localhost:80@evil", 403),
                             ("[::1", 403), ("128.0.0.1", 403)):
            self.assertEqual(self.ask("GET", "/healthz", Host=host)[0].status, status, host)

    def test_a_body_that_is_refused_is_not_waited_for(self):
        token = self.write("token", b"correct-horse-battery\n")
        self.serve("--token-file", token, "--body", 1)
        for path, length, status in ((b"/nothing", 900000, b"404"), (b"/detect", 900000, b"401"),
                                     (b"/detect", 9000000, b"413")):
            start = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % (path, length)
            self.assertTrue(self.say(start + b"Expect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 " + status))
            self.assertTrue(self.say(start + b"\r\n" + bytes(length)).startswith(b"HTTP/1.1 " + status), "sent anyway")

    def test_connections_that_have_ended_make_room(self):
        self.serve("--connections", 2, "--timeout", 1)
        host, port = self.place.rsplit(":", 1)
        storm = [socket.create_connection((host, int(port)), timeout=20) for _ in range(12)]
        self.assertIn(b" 503 ", self.say(b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n" +
                                        bytes(300000)))
        for client in storm:
            client.recv(65536)  # told to come again, or cut for saying nothing
            client.close()
        deadline = time.monotonic() + 20  # the last of them may still be counted when its end is seen here
        while self.ask("GET", "/healthz")[0].status != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_slow_clients_are_cut(self):
        self.serve("--timeout", 1)
        begun = time.monotonic()
        self.assertEqual(self.say(b""), b"")
        self.assertIn(b"408", self.say(b"GET / HTTP/1.1\r\nHost: "))
        self.assertLess(time.monotonic() - begun, 5)

    def test_a_full_queue_says_so(self):
        self.serve("--queue", 1, "--connections", 12)
        statuses = []

        def send():
            answer, _ = self.ask("POST", "/detect", ppm(0, 1200, 1200))
            statuses.append((answer.status, answer.headers["Retry-After"]))

        threads = [threading.Thread(target=send) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIn((200, None), statuses)
        self.assertLessEqual(set(statuses), {(200, None), (503, "1")})
        host, port = self.place.rsplit(":", 1)
        idle = [socket.create_connection((host, int(port)), timeout=20) for _ in range(13)]
        self.assertIn(b"503", idle[12].recv(200))
        for client in idle:
            client.close()

    def test_a_token_is_needed_beyond_this_machine(self):
        said = self.message(2, "serve", "--good", self.memory, "--listen", "0.0.0.0:0")
        self.assertIn("give --token-file", said)
        token = self.write("token", b"correct-horse-battery\n")
        self.serve("--token-file", token, listen="0.0.0.0:0")
        self.place = "127.0.0.1:" + self.place.rsplit(":", 1)[1]
        self.assertEqual(self.ask("POST", "/detect", ppm(0))[0].status, 401)
        self.assertEqual(self.ask("GET", "/metrics", Authorization="Bearer correct-horse-batterx")[0].status, 401)
        self.assertEqual(self.ask("GET", "/verdicts", Authorization="Bearer ")[0].status, 401)
        self.assertEqual(self.ask("GET", "/healthz")[0].status, 200)
        self.assertEqual(self.ask("GET", "/")[0].status, 200)
        answer, _ = self.ask("POST", "/detect", ppm(0), Authorization="Bearer correct-horse-battery")
        self.assertEqual(answer.status, 200)
        short = self.write("short", b"123\n")
        self.assertIn("at least 16", self.message(3, "serve", "--token-file", short))

    def test_a_socket_in_the_file_system_and_a_graceful_end(self):
        path = self.folder / "socket"
        process = self.serve(listen=f"unix:{path}")
        self.assertEqual(path.stat().st_mode & 0o077, 0)
        data = ppm(0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            self.assertIn(b"200 OK", client.recv(65536))
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=10), 0)
            self.assertLess(time.monotonic() - begun, 2)
        self.assertFalse(os.path.exists(path))
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(str(path))
        self.serve(listen=f"unix:{path}")
        self.assertIn("in use", self.message(3, "serve", "--good", self.memory, "--listen", f"unix:{path}"))
        self.assertTrue(path.exists())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))

    def test_the_loopback_of_ipv6(self):
        try:
            self.serve(listen="[::1]:0")
        except AssertionError:
            self.skipTest("there is no IPv6")
        self.assertEqual(self.ask("GET", "/healthz")[0].status, 200)

    def test_misuse(self):
        for listen in ("nowhere", ":80", "127.0.0.1:", "unix:", "127.0.0.1:99999", "127.0.0.1:http", "[::1]:-1"):
            self.assertIn("--listen", self.message(2, "serve", "--listen", listen))
        self.assertIn("is no address", self.message(3, "serve", "--listen", "no.such.host.invalid:0"))
        self.serve()
        self.assertIn("in use", self.message(3, "serve", "--listen", self.place))


if __name__ == "__main__":
    unittest.main()
