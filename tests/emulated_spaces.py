"""The package `spaces` of a host with a lent GPU, as far as the app uses it: its text, to be put on the path."""

EMULATED = """
import functools, json, os, pickle, sys

assert "torch" not in sys.modules, "torch came before spaces"


def GPU(task=None, *, duration=60, size=None):
    def decorate(function):
        @functools.wraps(function)
        def lent(*args, **kwargs):
            from gradio.context import LocalContext

            args = pickle.loads(pickle.dumps(args))
            seconds = duration(*args, **kwargs) if callable(duration) else duration
            request = LocalContext.request.get(None)
            with open(os.environ["TEST_LENT"], "a") as file:
                file.write(json.dumps([seconds, request is not None and request.cookies["d4k-visitor"]]) + "\\n")
            return pickle.loads(pickle.dumps(function(*args, **kwargs)))

        return lent

    return decorate if task is None else decorate(task)


def gradio_auto_wrap(task):
    return task
"""
