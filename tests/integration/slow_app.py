"""The worker's app with a model on which a tweet takes a second: `-A tests.integration.slow_app`."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from celery.signals import worker_process_init

from explain_worker.app import app

__all__ = ["app"]
TWEET_S = 1.0


@worker_process_init.connect
def _slow(**_: Any) -> None:
    from explain_worker import job

    real = job.explain_tweets

    def slowly(model: job.Model, tweets: Sequence[job.Tweet]) -> list[job.Tweet]:
        print("SLICE", tweets[0]["batch"], len(tweets), file=sys.__stderr__, flush=True)
        for _ in range(10 * len(tweets)):
            time.sleep(TWEET_S / 10)
            model.network(input_ids=model.network.dummy_inputs["input_ids"])  # as a pass would: here it may stop
        return real(model, tweets)

    job.explain_tweets = slowly
