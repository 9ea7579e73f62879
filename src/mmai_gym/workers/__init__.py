"""A pool of worker processes that can be killed.

A verifier runs a chemistry toolkit on whatever a model wrote, and a toolkit written in C++ can hang, eat all
memory or crash on it; none of that can be stopped from inside the process. So each item is computed in a child
that dies alone: its item becomes an `Outcome` that says timeout, memory, crash or error, a fresh child takes its
place, and the neighbours never notice. Quick items travel in company: several are sent ahead, and their results come
back together, since a message of its own would cost as much as judging a small molecule. A count in shared memory says
which item a child was at when it died.

The children are forked, within milliseconds, from a process that has loaded the toolkits and does nothing else
(`forkserver`): never from the caller's, whose threads or GPU a fork could leave in a deadlock. That process starts from a
bare interpreter instead of re-running the caller's main module, so that a training script does not load torch into it and
needs no `if __name__ == "__main__"` guard. In turn the function must live in an importable module. The time limit is a
kernel timer in the child, which fires inside native code that never returns to Python, and also after the parent was
killed: no orphan outlives its limit.
"""

from mmai_gym.workers.child import cores
from mmai_gym.workers.pool import MAX_WINDOW, Failure, Outcome, WorkerPool

__all__ = ["MAX_WINDOW", "Failure", "Outcome", "WorkerPool", "cores"]
