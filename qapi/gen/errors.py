"""The one exception of the generator: a schema that cannot be used."""


class SchemaError(Exception):
    """Says what is wrong, led by the file and the definition where it is."""

    def __init__(self, where, problem):
        super().__init__(f"{where}: {problem}")
