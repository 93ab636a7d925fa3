#!/usr/bin/env python3
"""Generates C++ and the reference manual from the schema.

usage: generate.py --namespace NAME --context CLASS --output DIRECTORY SCHEMA.json...

Writes types.h, marshal.h, marshal.cc, commands.h, dispatch.h, dispatch.cc and the manual into DIRECTORY. For a schema
that is invalid or not documented, prints one line that names file and definition, and exits with status 1.
"""

import argparse
import pathlib
import sys

from cpp_dispatch import commands_header, dispatch_header, dispatch_source
from cpp_marshal import marshal_header, marshal_source
from cpp_types import types_header
from errors import SchemaError
from loader import load
from reference import reference_manual
from resolver import resolve


def main():
    parser = argparse.ArgumentParser(description="Makes C++ and a manual from schema files.")
    parser.add_argument("--namespace", required=True, help="C++ namespace of what is generated")
    parser.add_argument("--context", required=True, help="class that handlers are given, with its namespace")
    parser.add_argument("--title", default="QMP reference", help="title of the manual")
    parser.add_argument("--manual", default="reference.md", help="file name of the manual")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="directory to write into")
    parser.add_argument("schema", nargs="+")
    arguments = parser.parse_args()
    try:
        schema = resolve(load(arguments.schema))
    except SchemaError as error:
        print(f"{pathlib.Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1

    namespace, context = arguments.namespace, arguments.context
    outputs = {
        "types.h": types_header(schema, namespace),
        "marshal.h": marshal_header(schema, namespace),
        "marshal.cc": marshal_source(schema, namespace),
        "commands.h": commands_header(schema, namespace, context),
        "dispatch.h": dispatch_header(namespace, context),
        "dispatch.cc": dispatch_source(schema, namespace, context),
        arguments.manual: reference_manual(schema, arguments.title),
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in outputs.items():
        (arguments.output / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
