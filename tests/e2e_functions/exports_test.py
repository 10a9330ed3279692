"""Functions that are no programs: exports of libraries, called by the path.

    exports_test.py BIN GUESTS [TEST...]
"""

import shutil

from case import Case, Paths, main


class ExportsTest(Case):
    GUESTS = ("invoke", "library", "bindgen", "hello")

    @classmethod
    def prepare(cls):
        shutil.copy(Paths.guests / "calc-component.wasm", cls.functions / "calc.wasm")

    def test_the_path_names_the_export_and_the_query_has_its_arguments(self):
        for path, query, text in (("/invoke/add", "2&40", "42"), ("/invoke/add", "a=2&b=-3", "-1"), ("/invoke/fac", "n=20",
                                  "2432902008176640000"), ("/invoke/half", "5", "2.5"), ("/invoke/divmod", "7&2", "3\n1"),
                                  ("/library/answer", "", "42")):
            with self.subTest(path):
                reply = self.ask(path, query=query)
                self.assertEqual((reply.status, reply.text), (200, text + "\n"))

    def test_each_call_has_an_instance_of_its_own(self):
        self.assertEqual([self.ask("/invoke/count").text for _ in range(3)], ["1\n"] * 3)

    def test_an_export_of_a_component_is_called_too(self):
        reply = self.ask("/calc/add", query="2&3")
        self.assertEqual((reply.status, reply.text), (200, "5\n"), reply)

    def test_what_cannot_be_called_is_the_requests_fault_and_says_what_can(self):
        for path, query, status, said in (("/invoke/nobody", "", 404, "hypotenuse"), ("/invoke/memory", "", 404, "memory"),
                                          ("/invoke/add", "1", 400, "takes 2 argument(s)"), ("/invoke/add", "1&x", 400, "'x'"),
                                          ("/invoke/add", "1&99999999999", 400, "99999999999"), ("/invoke", "", 404, "add")):
            with self.subTest(path):
                reply = self.ask(path, query=query)
                self.assertEqual(reply.status, status, reply)
                self.assertIn(said, reply.text)

    def test_a_trap_of_an_export_is_told(self):
        self.assertIn("unreachable", self.ask("/invoke/crash").headers["wasmoor-error"])

    def test_a_program_is_given_the_rest_of_the_path(self):
        self.assertEqual(self.ask("/hello/_start").text, "Hello from wasm!\n")


class BindgenTest(Case):
    GUESTS = ("bindgen",)

    def test_main_is_given_the_body_and_its_value_is_the_reply(self):
        for body in (b"x", "grüße\n".encode(), bytes(range(256)), b"y" * 1_000_000):
            reply = self.ask("/bindgen", "POST", body=body)
            self.assertEqual((reply.status, reply.body), (200, body))

    def test_another_function_is_named_by_the_path(self):
        self.assertEqual(self.ask("/bindgen/size", "POST", body=b"12345").text, "5\n1")

    def test_an_error_of_the_function_is_told_in_its_own_words(self):
        reply = self.ask("/bindgen")
        self.assertEqual((reply.status, reply.text), (500, "nothing to do"))

    def test_what_makes_no_sense_is_refused_and_reads_nothing_else(self):
        for name in ("outside", "far", "untyped", "endless"):
            with self.subTest(name):
                reply = self.ask(f"/bindgen/{name}", "POST", body=b"x")
                self.assertIn(reply.status, (400, 500))
                self.assertIn("bindgen", reply.text)
        self.assertEqual(self.ask("/bindgen/nobody").status, 404)
        self.assertIn("(i64) -> i32", self.ask("/bindgen/other").text)
        self.assertIn("unreachable", self.ask("/bindgen/crash").headers["wasmoor-error"])

    def test_a_body_that_would_not_fit_is_refused(self):
        self.assertEqual(self.ask("/bindgen", "POST", body=b"y" * 2_000_000).status, 413)

    def test_wasmbox_gives_it_the_parameter(self):
        (self.functions / "boxed.toml").write_text('[run]\nreply = "wasmbox"\n')
        self.put("boxed", (Paths.guests / "bindgen.wasm").read_bytes())
        reply = self.ask("/boxed", "POST", body=b'{"parameter": "in here"}')
        self.assertEqual(reply.text, "WASM output: in here")


if __name__ == "__main__":
    main("bin", "guests")
