"""`python infer.py TASK.json`: a model that generates and scores, for one Node process. Token ids in, token ids out."""

import json
import os
import sys

from faults import kind_of
from parent import end_with_parent, fail

# The processes that vLLM starts for more GPUs import this file again, and end with the one that started them.
end_with_parent(None if __name__ == "__main__" else os.getppid())


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        task = json.load(file)
    try:
        import serve

        backend = serve.backend(task["backend"])
    except (ImportError, OSError, ValueError) as error:
        # Not the model's fault: files of the environment are missing, or do not fit each other.
        fail("environment", error)
    try:
        serve.serve(backend, task)
    except Exception as error:
        fail(kind_of(error), error)


if __name__ == "__main__":
    main()
