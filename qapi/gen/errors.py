"""The only exception of the generator: an invalid schema."""


class SchemaError(Exception):
    """Its message begins with the file and the definition, followed by the problem."""

    def __init__(self, where, problem):
        super().__init__(f"{where}: {problem}")
