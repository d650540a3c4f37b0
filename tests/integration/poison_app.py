"""The worker's app with a task that dies on texts that hold POISON: `-A tests.integration.poison_app`."""

import os
import signal
from collections.abc import Sequence
from typing import Any

from celery.signals import worker_process_init

from explain_worker.app import app

__all__ = ["app"]


@worker_process_init.connect
def _poison(**_: Any) -> None:
    from explain_worker import job

    real = job.explain_tweets

    def deadly(model: job.Model, tweets: Sequence[job.Tweet]) -> list[job.Tweet]:
        if any("POISON" in tweet["text"] for tweet in tweets):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(model, tweets)

    job.explain_tweets = deadly
