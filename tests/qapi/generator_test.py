"""The generator refuses a schema that is wrong or not documented, and says where."""

import json
import pathlib
import tempfile
import unittest

from errors import SchemaError
from introspection import introspection_text
from loader import load
from reference import reference_manual
from resolver import resolve

ENUM = {"kind": "enum", "name": "Color", "doc": "A colour.", "values": [{"name": "red", "doc": "red"}]}


def struct(name, *members, **more):
    return {"kind": "struct", "name": name, "doc": f"A {name}.", "members": list(members), **more}


def member(name="m", type_name="str", **more):
    return {"name": name, "type": type_name, "doc": "a member", **more}


def command(name="run", **more):
    return {"kind": "command", "name": name, "doc": "Runs.", **more}


def without(data, key):
    return {k: v for k, v in data.items() if k != key}


def schema_of(*definitions, text=None, header=None):
    """The resolved schema of one file with these definitions, or with this text. `header`: text of list.h beside it."""
    with tempfile.TemporaryDirectory() as folder:
        if header is not None:
            (pathlib.Path(folder) / "list.h").write_text(header)
        path = pathlib.Path(folder) / "s.json"
        path.write_text(text or json.dumps({"title": "T", "doc": "D.", "definitions": definitions}))
        return resolve(load([path]))


class GeneratorTest(unittest.TestCase):
    def refused(self, message, *definitions, text=None, header=None):
        with self.assertRaises(SchemaError) as caught:
            schema_of(*definitions, text=text, header=header)
        self.assertEqual(str(caught.exception), message)

    def test_a_definition_without_doc_is_refused(self):
        self.refused("s.json: run: has no 'doc'", without(command(), "doc"))
        self.refused("s.json: run: 'doc' is empty or not a text", command(doc=" "))

    def test_a_member_without_doc_is_refused(self):
        self.refused("s.json: run: member 'm': has no 'doc'", command(members=[without(member(), "doc")]))
        self.refused("s.json: run: member 'm': 'doc' is empty or not a text", command(members=[member(doc="")]))

    def test_an_enum_value_without_doc_is_refused(self):
        self.refused("s.json: Color: value 'red': has no 'doc'", {**ENUM, "values": [{"name": "red"}]})

    def test_a_file_without_doc_or_title_is_refused(self):
        self.refused("s.json: has no 'doc'", text='{"title": "T", "definitions": []}')
        self.refused("s.json: has no 'title'", text='{"doc": "D", "definitions": []}')

    def test_an_unknown_type_is_refused(self):
        self.refused("s.json: RunArguments: member 'm' uses the unknown type 'Nothing'",
                     command(members=[member(type_name="Nothing")]))
        self.refused("s.json: run: 'returns' uses the unknown type 'Nothing'", command(returns="[Nothing]"))
        self.refused("s.json: run: 'arguments' uses the unknown type 'Nothing'", command(arguments="Nothing"))
        self.refused("s.json: run: 'returns' uses the unknown type 'run'", command(returns="run"))

    def test_a_name_defined_twice_is_refused(self):
        self.refused("s.json: run: is already defined in s.json", command(), command())
        self.refused("s.json: Run: is already defined in s.json", struct("Run"), {**ENUM, "name": "Run"})
        self.refused("s.json: go: is already defined in s.json", command("go"), command(aliases=["go"]))
        self.refused("s.json: RunArguments: is already defined in s.json", struct("RunArguments"),
                     command(members=[member()]))

    def test_a_member_given_twice_is_refused(self):
        self.refused("s.json: run: member 'm' stands twice", command(members=[member(), member()]))
        self.refused("s.json: RunArguments: 'a_b' has the same C++ name as 'a-b'",
                     command(members=[member("a-b"), member("a_b")]))

    def test_a_list_in_a_header_gives_its_members_in_place(self):
        header = ('// COUNTER(name, documentation)\n#define LIST(COUNTER) \\\n  COUNTER(first_one, "counts this") \\\n'
                  '  COUNTER(second, \\\n          "counts "  \\\n          "that")\n')
        figures = struct("Figures", member("a"), {"list": "list.h"}, member("z"))
        members = schema_of(figures, command(returns="Figures"), header=header).by_name["Figures"].members
        self.assertEqual([(m.name, str(m.type), m.doc) for m in members],
                         [("a", "str", "a member"), ("first-one", "uint64", "counts this"),
                          ("second", "uint64", "counts that"), ("z", "str", "a member")])

    def test_a_list_that_is_not_all_counters_with_documentation_is_refused(self):
        figures = struct("Figures", {"list": "list.h"})
        wrong = "s.json: Figures: list: list.h has no list, or an entry that is not COUNTER(name, \"documentation\")"
        for header in ("", '  COUNTER(a, "b")\n  COUNTER(c)\n', '  COUNTER(a, "")\n'):
            self.refused(wrong, figures, header=header)
        self.refused("s.json: Figures: member 'a' stands twice", struct("Figures", member("a"), {"list": "list.h"}),
                     header='  COUNTER(a, "b")\n')
        self.refused("s.json: Figures: list: key 'doc' is not known here",
                     struct("Figures", {"list": "list.h", "doc": "d"}), header="")

    def test_commands_with_one_handler_name_are_refused(self):
        self.refused("s.json: go_on: has the same C++ name as go-on", command("go-on"), command("go_on"))

    def test_a_key_given_twice_is_refused(self):
        self.refused("s.json: key 'doc' stands twice in one object",
                     text='{"title": "T", "doc": "D", "doc": "D", "definitions": []}')

    def test_an_unknown_key_is_refused(self):
        self.refused("s.json: run: key 'retruns' is not known here", command(retruns="str"))
        self.refused("s.json: run: member 'm': key 'default' is not known here",
                     command(members=[member(default=1)]))

    def test_an_unknown_kind_is_refused(self):
        self.refused("s.json: run: kind 'order' is not one of struct, options, enum, union, alternate, command, event",
                     command(kind="order"))

    def test_text_that_is_not_json_is_refused_with_its_line(self):
        self.refused("s.json: Expecting value: line 2 column 1 (char 2)", text="[\nx]")

    def test_names_that_are_not_in_the_style_of_their_kind_are_refused(self):
        self.refused("s.json: Run: not a good name for a command", command("Run"))
        self.refused("s.json: thing: not a good name for a struct", struct("thing"))
        self.refused("s.json: run: a member has no name, or not a good one: 'Big'",
                     command(members=[member("Big")]))

    def test_an_unused_type_is_refused(self):
        self.refused("s.json: Thing: is used by no command, event or command line", struct("Thing"))
        schema_of(struct("Thing", **{"command-line": True}))

    def test_a_type_that_contains_itself_is_refused_unless_optional(self):
        self.refused("s.json: Thing: member 'm' makes the type contain itself",
                     struct("Thing", member(type_name="Thing")), command(arguments="Thing"))
        self.refused("s.json: Thing: member 'm' makes the type contain itself",
                     struct("Thing", member(type_name="Other")),
                     struct("Other", member(type_name="Thing")), command(arguments="Thing"))
        schema_of(struct("Thing", member(type_name="Thing", optional=True), member("n", "[Thing]")),
                  command(arguments="Thing"))

    def test_a_type_that_goes_the_wrong_way_is_refused(self):
        options = {"kind": "options", "name": "Free", "doc": "Free.", "members": []}
        self.refused("s.json: Free: is sent to clients, but options can only be read", options,
                     command(returns="Free"))
        self.refused("s.json: RunArguments: is read from clients, but facts can only be sent",
                     command(members=[member(type_name="facts")]))

    def test_a_union_whose_branches_are_not_its_enum_is_refused(self):
        def union(**more):
            return {"kind": "union", "name": "Any", "doc": "Any.", "discriminator": "kind",
                    "members": [member("kind", "Color")], "branches": [{"value": "red", "type": "Red"}], **more}

        red, use = struct("Red", member("shade")), command(arguments="Any")
        schema_of(ENUM, red, union(), use)
        self.refused("s.json: Any: its branches are not the values of Color, in their order",
                     ENUM, red, union(branches=[]), use)
        self.refused("s.json: Any: discriminator 'sort' is not one of its members",
                     ENUM, red, union(discriminator="sort"), use)
        self.refused("s.json: Any: discriminator 'kind' is not a mandatory enum",
                     ENUM, red, union(members=[member("kind")]), use)
        self.refused("s.json: Any: member 'kind' of branch 'red' stands twice",
                     ENUM, struct("Red", member("kind")), union(), use)
        self.refused("s.json: Any: branch 'red' is not a struct",
                     ENUM, union(branches=[{"value": "red", "type": "Color"}]), use)

    def test_an_alternate_that_json_cannot_tell_apart_is_refused(self):
        def alternate(*types):
            return {"kind": "alternate", "name": "Either", "doc": "Either.",
                    "alternatives": [{"type": t, "doc": "one"} for t in types]}

        use = command(members=[member(type_name="Either")])
        schema_of(alternate("str", "int", "[int]"), use)
        self.refused("s.json: Either: two alternatives are both a JSON number", alternate("int", "number"), use)
        self.refused("s.json: Either: two alternatives are both a JSON string",
                     ENUM, alternate("str", "Color"), use)
        self.refused("s.json: Either: has fewer than two alternatives", alternate("str"), use)

    def test_arguments_that_are_no_object_are_refused(self):
        self.refused("s.json: run: arguments 'Color' are not an object type", ENUM, command(arguments="Color"))
        self.refused("s.json: run: has both 'arguments' and 'members'",
                     command(arguments="Color", members=[member()]))

    def test_the_manual_holds_every_name_and_every_doc(self):
        schema = schema_of(ENUM, command(members=[member("shade", "Color", optional=True)], aliases=["walk"]))
        manual = reference_manual(schema, "Manual")
        for line in ["# Manual", "## T", "### Color (enum)", "* `red`: red", "### run (command)",
                     "* `shade` (`Color`, optional): a member", "Also called `walk`."]:
            self.assertIn(line, manual.splitlines())


class IntrospectionTest(unittest.TestCase):
    """The answer of query-qmp-schema, for the schema with one of everything."""

    def setUp(self):
        path = pathlib.Path(__file__).resolve().parent / "qapi_test" / "schema.json"
        entries = json.loads("".join(introspection_text(resolve(load([path])))))
        self.entries = {entry["name"]: entry for entry in entries}
        self.assertEqual(len(self.entries), len(entries), "a name stands twice")

    def type_of(self, holder, key="type"):
        return self.entries[holder[key]]

    def member(self, entry, name):
        return next(m for m in entry["members"] if m["name"] == name)

    def test_every_type_that_is_named_is_described(self):
        for entry in self.entries.values():
            items = [entry, *entry.get("members", []), *entry.get("variants", [])]
            for item in items:
                for key in ("type", "arg-type", "ret-type", "element-type"):
                    self.assertIn(item.get(key, "str"), self.entries, entry)

    def test_optional_members_have_a_default_of_null(self):
        arguments = self.type_of(self.entries["echo-everything"], "arg-type")
        self.assertEqual(arguments["meta-type"], "object")
        self.assertNotIn("default", self.member(arguments, "text"))
        self.assertIsNone(self.member(arguments, "color")["default"])

    def test_built_in_types_and_lists_keep_their_names(self):
        arguments = self.type_of(self.entries["echo-everything"], "arg-type")
        self.assertEqual(self.type_of(self.member(arguments, "unsigned-number")),
                         {"name": "int", "meta-type": "builtin", "json-type": "int"})
        numbers = self.type_of(self.member(arguments, "numbers"))
        self.assertEqual(numbers, {"name": "[int]", "meta-type": "array", "element-type": "int"})

    def test_a_type_that_contains_itself_names_itself(self):
        arguments = self.type_of(self.entries["echo-everything"], "arg-type")
        self.assertEqual(self.type_of(self.member(arguments, "inside")), arguments)
        self.assertEqual(self.type_of(self.type_of(self.member(arguments, "list")), "element-type"), arguments)

    def test_unions_have_a_tag_and_a_variant_for_each_of_its_values(self):
        shape = self.type_of(self.type_of(self.entries["echo-shapes"], "ret-type"), "element-type")
        self.assertEqual(shape["tag"], "kind")
        self.assertEqual(self.type_of(self.member(shape, "kind"))["values"], ["circle", "point"])
        self.assertEqual([v["case"] for v in shape["variants"]], ["circle", "point"])
        self.assertEqual(self.type_of(shape["variants"][0])["members"], [{"name": "radius", "type": "int"}])

    def test_alternates_list_their_types(self):
        label = self.type_of(self.entries["echo-label"], "ret-type")
        self.assertEqual(label["meta-type"], "alternate")
        self.assertEqual([self.type_of(m)["meta-type"] for m in label["members"]],
                         ["builtin", "builtin", "array", "object"])

    def test_commands_without_arguments_and_results_have_the_empty_object(self):
        fail = self.entries["fail"]
        self.assertEqual(self.type_of(fail, "arg-type")["members"], [])
        self.assertEqual(fail["ret-type"], fail["arg-type"])

    def test_an_alias_is_a_command_of_its_own(self):
        alias, command = self.entries["echo_everything"], self.entries["echo-everything"]
        self.assertEqual({**alias, "name": command["name"]}, command)


class ProgramSchemaTest(unittest.TestCase):
    """The schema of the program itself, beside this test's project."""

    def test_it_has_the_commands_and_events_that_clients_rely_on(self):
        folder = pathlib.Path(__file__).resolve().parents[2] / "qapi" / "schema"
        schema = resolve(load(sorted(folder.glob("*.json"))))
        commands = {name for c in schema.of_kind("command") for name in [c.name, *c.aliases]}
        self.assertEqual(commands, set("""
            qmp_capabilities query-version query-commands query-qmp-schema quit blockdev-add blockdev-del block_resize
            query-named-block-nodes query-blockstats block-export-add block-export-del query-block-exports
            nbd-server-start nbd-server-stop block-pause-dedup block_pause_dedup block-resume-dedup
            block_resume_dedup query-dedup query-jobs job-pause job-resume job-cancel""".split()))
        self.assertEqual({e.name for e in schema.of_kind("event")},
                         {"SHUTDOWN", "BLOCK_EXPORT_DELETED", "BLOCK_DEDUP_STATUS_CHANGED",
                          "JOB_STATUS_CHANGE", "BLOCK_IMAGE_CORRUPTED"})


if __name__ == "__main__":
    unittest.main()
