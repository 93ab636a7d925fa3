"""Writes commands.h (handlers that a program must define), dispatch.h and dispatch.cc (the table that calls them)."""

from cpp_text import comment, header, literal, source
from cpp_types import cpp_type
from introspection import introspection_text
from names import cpp_name


def result_type(command):
    return f"block::Result<{cpp_type(command.returns) if command.returns else 'void'}>"


def commands_header(schema, namespace, context):
    context_namespace, context_class = context.rsplit("::", 1)
    parts = ["// Handlers run on the monitor's thread. One that is not defined is an error of the linker."]
    for command in handled(schema):
        arguments = f", {command.arguments} arguments" if command.arguments else ""
        parts.append(f"{comment(command.doc)}\n{result_type(command)} qmp_{cpp_name(command.name)}"
                     f"({context}& context{arguments});")
    text = header("Command handlers, to be defined by the program. Generated.", namespace, "COMMANDS",
                  [f'"{namespace}/types.h"', '"block/result.h"'], parts)
    forward = f"namespace {context_namespace} {{\nclass {context_class};\n}}\n\n"
    return text.replace(f"namespace {namespace} {{", f"{forward}namespace {namespace} {{", 1)


def dispatch_header(namespace, context):
    table = f"""// Every command of the schema. Keeps a reference to the context that the handlers get.
class CommandTable final : public qapi::Dispatcher {{
public:
  explicit CommandTable({context}& context) : context_(context) {{}}
  bool knows(std::string_view command) const override;
  block::Result<std::string> run(std::string_view command, const nlohmann::json& arguments) override;

private:
  {context}& context_;
}};"""
    return header("The command table. Generated.", namespace, "DISPATCH",
                  [f'"{namespace}/commands.h"', '"qapi/dispatcher.h"'], [table])


def dispatch_source(schema, namespace, context):
    parts = [f"namespace {{\n\nusing Handler = block::Result<std::string> (*)({context}&, const qapi::Input&);"]
    rows = []
    for command in schema.of_kind("command"):
        parts.append(HANDLERS[command.answered_by](schema, command, context))
        rows += [(name, f"run_{cpp_name(command.name)}") for name in [command.name, *command.aliases]]
    table = "".join(f"    {{{literal(name)}, {function}}},\n" for name, function in sorted(rows))
    parts.append(f"const std::map<std::string_view, Handler> handlers = {{\n{table}}};\n\n}} // namespace")
    parts.append("bool CommandTable::knows(std::string_view command) const { return handlers.count(command) != 0; }")
    parts.append("block::Result<std::string> CommandTable::run(std::string_view command,\n"
                 "                                             const nlohmann::json& arguments) {\n"
                 "  return handlers.at(command)(context_, qapi::Input(arguments));\n}")
    return source("The command table: one row a command. Generated.", namespace,
                  [f'"{namespace}/dispatch.h"', f'"{namespace}/marshal.h"', "<map>"], parts)


def handled(schema):
    return [c for c in schema.of_kind("command") if c.answered_by == "handler"]


def function(command, context, lines, uses_context):
    name = " context" if uses_context else ""
    body = "".join(f"  {line}\n" for line in lines)
    return (f"block::Result<std::string> run_{cpp_name(command.name)}({context}&{name}, const qapi::Input& input) "
            f"{{\n{body}}}")


def no_arguments():
    return ["BLOCK_TRY_ASSIGN(const auto object, qapi::ObjectInput::open(input));", "BLOCK_TRY(object.finish());"]


def call_handler(_schema, command, context):
    lines, passed = no_arguments(), ""
    if command.arguments:
        lines, passed = [f"{command.arguments} arguments;", "BLOCK_TRY(read(input, arguments));"], \
            ", std::move(arguments)"
    call = f"qmp_{cpp_name(command.name)}(context{passed})"
    if command.returns:
        lines += [f"BLOCK_TRY_ASSIGN(const auto result, {call});", "return to_text(result);"]
    else:
        lines += [f"BLOCK_TRY({call});", 'return std::string("{}");']
    return function(command, context, lines, True)


def answer_command_list(schema, command, context):
    names = sorted(name for c in schema.of_kind("command") for name in [c.name, *c.aliases])
    text = "[" + ", ".join(f'{{"name": "{name}"}}' for name in names) + "]"
    return function(command, context, [*no_arguments(), f"return std::string({literal(text)});"], False)


def answer_introspection(schema, command, context):
    pieces = introspection_text(schema)
    text = "\n      ".join(literal(piece) for piece in pieces)
    return function(command, context, [*no_arguments(), f"return std::string(\n      {text});"], False)


def answer_in_session(_schema, command, context):
    """The session answers such a command while it is allowed. Afterwards it reaches this function, which refuses it."""
    lines = ["static_cast<void>(input);",
             "return block::Error(block::ErrorKind::invalid_argument,",
             f"                    {literal(command.name + ' is not possible now')});"]
    return function(command, context, lines, False)


HANDLERS = {"handler": call_handler, "command-list": answer_command_list, "introspection": answer_introspection,
            "session": answer_in_session}
