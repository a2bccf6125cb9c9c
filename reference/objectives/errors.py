"""The one error of this package, and the name of the function in front of it."""


class InputError(ValueError):
    """Bad input, told in one sentence that says what to do. The command line prints it and exits with code 2.

    ``function`` is the public function that was called: ``typed`` sets it, in every function that the error passes on
    its way out, so that the outermost, the one that the caller knows, is named, and only that one.
    """

    function = ""

    def __str__(self) -> str:
        sentence = super().__str__()
        return f"{self.function}: {sentence}" if self.function else sentence
