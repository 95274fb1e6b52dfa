"""`python worker.py TASK.json`, with the environment of torch's launcher (RANK, WORLD_SIZE, …): a rank of a training."""

import sys

from parent import end_with_parent, fail

end_with_parent()

try:
    from rank import main
except (ImportError, OSError, ValueError) as error:
    # Not the run's fault: files of the environment are missing, or do not fit each other.
    fail("environment", error)

sys.exit(main())
