"""The laws of bulk classification, on a really trained model, in this process."""

import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from batch import classify as stage
from batch.classifier import TIE, Classifier
from batch.limits import RejectLimit, TooManyRejects
from batch.readers import CHUNK_ROWS
from batch.sources import Source
from camembias import bundle as bundles
from camembias import catalog, proof, synthetic
from camembias import store as stores
from camembias.bundle import Bundle
from camembias.compaction import compact
from camembias.errors import StoreError
from camembias.forget import forget
from camembias.scoring import margins, probabilities
from camembias.store import Run, Store
from camembias.text import normalise
from tests.full_disk import no_file_over

pytestmark = pytest.mark.acceptance
DECIDED = ["tweet_id", "label", "abstained"]


@pytest.fixture(scope="module")
def abstaining(model: Path, tweets: pl.DataFrame) -> Bundle:
    """The trained model with a threshold that a tenth of the tweets are under. Nothing is written: the graphs stay."""
    bundle = bundles.load(model)
    plain = Classifier.open(bundle)
    logits, _ = plain.scores(plain.encode([normalise(text) for text in tweets["text"]]))
    tenth = float(np.quantile(probabilities(logits, bundle.manifest.temperature).max(axis=1), 0.1))
    return replace(bundle, manifest=replace(bundle.manifest, abstain_below=tenth, serving_version="withthreshold"))


@pytest.fixture(scope="module")
def classifier(abstaining: Bundle) -> Classifier:
    return Classifier.open(abstaining)


@pytest.fixture(scope="module")
def tweets() -> pl.DataFrame:
    return synthetic.tweets(1500, seed=3, planted=False).drop("label")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stores.create(tmp_path / "store")


def run(classifier: Classifier, store: Store, *sources: Source | Path, **options: object) -> Run:
    found = [source if isinstance(source, Source) else Source(source) for source in sources]
    with stores.running(store, "classify", {}) as done:
        job = stage.open_job(classifier, store, done)
        for name, value in options.items():
            setattr(job, name, value)
        stage.classify(job, found)
    counts = done.counts
    assert counts["rows"] == counts["classified"] + counts["known"] + counts["forgotten"] + counts["rejects"]
    return done


def stored(store: Store, *columns: str) -> pl.DataFrame:
    return store.scan("predictions").select(*columns).sort("tweet_id").collect()


def written(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_parquet(path)
    return path


def test_order_batches_and_threads_change_no_label_and_no_abstention(abstaining, classifier, tweets, tmp_path):
    found = []
    for seed, (threads, budget) in enumerate(((2, 512), (1, 200), (3, 3000))):
        frame = tweets.sample(fraction=1, shuffle=True, seed=seed)
        target = stores.create(tmp_path / f"{seed}")
        other = Classifier.open(abstaining, threads, budget)
        done = run(other, target, written(frame, tmp_path / f"{seed}.parquet"))
        assert 0 < done.counts["rescored"] < len(tweets) / 2
        found.append(stored(target, *DECIDED))
    assert 0 < found[0]["abstained"].sum() < len(tweets)
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    # … and they are what the full-precision graph says of each text alone
    texts = [normalise(text) for text in tweets["text"]]
    exact = classifier.fp32.run(classifier.encode(texts), alone=True)
    labels = np.array(abstaining.manifest.labels)[exact.argmax(axis=1)]
    best = probabilities(exact, abstaining.manifest.temperature).max(axis=1)
    alone = pl.DataFrame(
        {"tweet_id": tweets["tweet_id"], "label": labels, "abstained": best < abstaining.manifest.abstain_below}
    ).sort("tweet_id")
    assert found[0].equals(alone)


def test_a_tie_in_full_precision_is_decided_by_the_text_alone(abstaining, classifier, tweets):
    """With a threshold that lies exactly on one tweet's p, its neighbours must not decide."""
    tokens = classifier.encode([normalise(text) for text in tweets["text"][:400]])
    exact = classifier.fp32.run(tokens, alone=True)
    p = float(probabilities(exact, abstaining.manifest.temperature).max(axis=1)[7])
    edge = replace(abstaining, manifest=replace(abstaining.manifest, abstain_below=p))
    on_edge = Classifier(edge, classifier.int8, classifier.fp32)
    for count in (8, 50, 400):
        logits, fp32 = on_edge.scores(tokens[:count])
        assert fp32[7]
        assert logits[7].tolist() == exact[7].tolist()
    batched = classifier.fp32.run(tokens)
    assert np.abs(batched - exact).max() < TIE / 10


def test_without_an_int8_graph_fp32_serves_alone(abstaining, classifier, tweets, store, tmp_path):
    only = Classifier(abstaining, None, classifier.fp32)
    done = run(only, store, written(tweets[:500], tmp_path / "t.parquet"))
    assert (done.counts["classified"], done.counts["rescored"]) == (500, 0)
    both = stores.create(tmp_path / "both")
    run(classifier, both, written(tweets[:500], tmp_path / "t.parquet"))
    assert stored(store, *DECIDED).equals(stored(both, *DECIDED))


def test_a_bound_that_was_never_measured_means_full_precision(abstaining, classifier):
    unmeasured = replace(abstaining, manifest=replace(abstaining.manifest, rescore_margin=None))
    _, fp32 = Classifier(unmeasured, classifier.int8, classifier.fp32).scores(classifier.encode(["bonjour", "viande"]))
    assert fp32.all()


@pytest.fixture
def scored(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of texts that each window really had to score."""
    counts: list[int] = []
    before = Classifier.scores

    def counting(self: Classifier, tokens: list[list[int]], *rest: object) -> object:
        counts.append(len(tokens))
        return before(self, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "scores", counting)
    return counts


def test_retweets_are_scored_once_in_a_window_over_windows_and_over_runs(classifier, tweets, store, scored, tmp_path):
    few = tweets[:200]["text"].to_list()
    rows = CHUNK_ROWS + 1000
    frame = pl.DataFrame({"id": [str(i) for i in range(rows)], "text": [few[i % 200] for i in range(rows)]})
    distinct = len(set(map(normalise, few)))
    done = run(classifier, store, written(frame, tmp_path / "t.parquet"))
    assert sum(scored) == distinct
    assert done.counts["cached"] == rows - distinct
    again = frame.with_columns(id="new-" + pl.col("id"))
    done = run(classifier, store, written(again, tmp_path / "u.parquet"))
    assert sum(scored) == distinct, "texts of the store's latest parts are not scored again"
    assert (done.counts["classified"], done.counts["cached"]) == (rows, rows)
    spread = stored(store, "tweet_id", "label", "margin").join(
        store.scan("tweets").select("tweet_id", "text").collect(), on="tweet_id"
    )
    assert spread.group_by("text").agg(pl.col("label", "margin").n_unique())["margin"].max() == 1


def test_a_tweet_delivered_again_is_known_by_id_and_text(classifier, tweets, store, scored, tmp_path):
    old, new = tweets[:1000], tweets[800:1300]
    run(classifier, store, written(old, tmp_path / "old.parquet"))
    before = sum(scored)
    changed = pl.DataFrame({"tweet_id": old["tweet_id"][:3], "text": ["un texte", "tout à fait", "nouveau"]})
    overlap = pl.concat([new.select("tweet_id", "text"), changed])
    done = run(classifier, store, written(overlap, tmp_path / "new.parquet"))
    assert (done.counts["known"], done.counts["classified"]) == (200, 303)
    assert sum(scored) - before <= 303
    assert store.scan("predictions").collect().height == 1303
    with catalog.reading(_with_catalog(store)) as connection:
        assert connection.sql("SELECT count(*) FROM predictions").fetchall() == [(1300,)]
    assert catalog.failed_checks(store) == {}


def _with_catalog(store: Store) -> Store:
    catalog.refresh(store)
    return store


def test_rows_of_an_unfinished_unit_are_not_taken_for_known(classifier, tweets, store, tmp_path):
    """A job killed between its rows and its ledger row: the unit is done again, in full."""
    path = written(tweets[:300], tmp_path / "t.parquet")
    run(classifier, store, path)
    [unit] = store.part_names("units")
    whole = store.read("predictions", unit)
    store.part("units", unit).unlink()
    done = run(classifier, store, path)
    assert (done.counts["classified"], done.counts["known"]) == (300, 0)
    assert store.read("predictions", unit).select(DECIDED).equals(whole.select(DECIDED))


def test_a_forgotten_tweet_is_counted_and_neither_stored_nor_kept_among_the_refused(
    classifier, tweets, store, tmp_path
):
    one = tweets["tweet_id"][7]
    run(classifier, store, written(tweets[:20], tmp_path / "t.parquet"))
    forget(store, [one])
    twice = pl.concat([tweets[:30], tweets[7:8]])  # the same id again would be refused, with its text
    counts = run(classifier, store, written(twice, tmp_path / "t.parquet")).counts
    assert (counts["known"], counts["forgotten"], counts["classified"], counts["rejects"]) == (19, 2, 10, 0)
    assert one not in stored(store, "tweet_id")["tweet_id"]
    assert proof.search(store.root, [one], []).places == []


def test_resuming_after_compaction_skips_units_and_knows_tweets(classifier, tweets, store, scored, tmp_path):
    parts = [written(tweets[at : at + 400], tmp_path / f"{at}.parquet") for at in (0, 400)]
    run(classifier, store, *parts)
    before = stored(store, *DECIDED)
    compact(store)
    assert compact(store, keep=timedelta(0)).removed == 6  # tweets, predictions and ledger rows of two units
    assert run(classifier, store, *parts).counts["skipped"] == 800
    scored.clear()
    grown = run(classifier, store, written(tweets[:850], tmp_path / "grown.parquet")).counts
    assert (grown["known"], grown["classified"]) == (800, 50)
    assert sum(scored) <= 50
    assert stored(store, *DECIDED).filter(pl.col("tweet_id").is_in(tweets[:800]["tweet_id"])).equals(before)


def test_a_growing_file_scores_its_new_rows_only(classifier, tweets, store, scored, tmp_path):
    path = tmp_path / "t.ndjson"
    tweets[:500].write_ndjson(path)
    run(classifier, store, path)
    before = sum(scored)
    tweets[:700].write_ndjson(path)
    done = run(classifier, store, path)
    assert (done.counts["known"], done.counts["classified"]) == (500, 200)
    assert sum(scored) - before <= 200


def test_too_many_rejects_stop_the_job_and_keep_what_was_done(classifier, tweets, store, tmp_path):
    bad = tweets.with_columns(text=pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise("text"))
    path = written(
        pl.concat([bad.with_columns(pl.col("tweet_id") + f"-{i}") for i in range(8)]), tmp_path / "t.parquet"
    )
    with pytest.raises(TooManyRejects, match=r"over --max-rejects 10%; kept: \d+ predictions"):
        run(classifier, store, path, limit=RejectLimit.parse("10%"))
    assert store.scan("predictions").collect().height > 0
    assert len(store.part_names("units")) < 3
    [last] = store.part_names("runs")
    assert store.read("runs", last)["status"].to_list() == ["failed"]
    done = run(classifier, store, path)  # without a limit it goes on where it stopped
    assert done.counts["skipped"] + done.counts["rows"] == 12_000


def test_a_followed_folder_is_judged_by_a_share_once_it_has_given_enough_rows(classifier, tweets, store, tmp_path):
    bad = tweets.with_columns(text=pl.when(pl.int_range(pl.len()) % 2 == 0).then(None).otherwise("text"))
    with stores.running(store, "classify", {}) as done:
        job = stage.open_job(classifier, store, done)
        job.limit, job.follows = RejectLimit.parse("10%"), True
        for start in (0, 40):
            stage.classify(job, [Source(written(bad[start : start + 40], tmp_path / f"{start}.parquet"))])
        assert (done.counts["rows"], done.counts["rejects"]) == (80, 40)
        with pytest.raises(TooManyRejects, match="of 1080 rows refused"):
            stage.classify(job, [Source(written(bad[80:1080], tmp_path / "more.parquet"))])


def test_a_job_that_is_stopped_ends_with_its_window_and_goes_on_later(classifier, tweets, store, tmp_path):
    frame = pl.concat([tweets.with_columns(pl.col("tweet_id") + f"-{i}") for i in range(9)])
    path = written(frame, tmp_path / "t.parquet")
    stop = threading.Event()
    done = run(classifier, store, path, stop=stop, progress=lambda rows: stop.set())
    assert 0 < done.counts["rows"] < len(frame)
    assert done.counts["rows"] % CHUNK_ROWS == 0
    rest = run(classifier, store, path)
    assert rest.counts["skipped"] == done.counts["rows"]
    assert stored(store, "tweet_id")["tweet_id"].n_unique() == len(frame)


def test_a_full_disk_in_the_writer_ends_the_job_with_nothing_half_written(classifier, tweets, store, tmp_path):
    path = written(tweets, tmp_path / "t.parquet")
    with no_file_over(10_000), pytest.raises(StoreError, match="cannot write"):  # a part of 1,500 tweets does not fit
        run(classifier, store, path)
    assert store.part_names("units") == []
    assert list(store.root.rglob("*.tmp")) == []
    assert run(classifier, store, path).counts["classified"] == len(tweets)


def test_a_read_only_store_is_one_clear_error_and_stays_as_it_was(classifier, tweets):
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: only its owner may enter that
        folder = Path(name)
        folder.chmod(0o755)
        store = stores.create(folder / "store")
        run(classifier, store, written(tweets[:20], folder / "t.parquet"))
        before = sorted(path.name for path in folder.rglob("*"))
        tables = [path for path in store.root.iterdir() if path.is_dir()]
        for table in tables:
            table.chmod(0o555)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)  # root may write everywhere
            with pytest.raises(StoreError, match="permission denied"):
                run(classifier, store, written(tweets[20:40], folder / "t.parquet") if user else folder / "t.parquet")
        finally:
            os.seteuid(user)
            for table in tables:
                table.chmod(0o755)
        assert sorted(path.name for path in folder.rglob("*")) == before


def test_margins_and_scores_are_stored_as_they_were_computed(classifier, tweets, store, tmp_path):
    run(classifier, store, written(tweets[:50], tmp_path / "t.parquet"))
    frame = store.scan("predictions").collect()
    names = classifier.bundle.manifest.labels
    for row in frame.iter_rows(named=True):
        assert [score["label"] for score in row["scores"]] == list(names)
        logits = np.array([[score["logit"] for score in row["scores"]]], dtype=np.float32)
        assert row["label"] == names[int(logits.argmax())]
        assert row["margin"] == pytest.approx(float(margins(logits)[0]), abs=1e-6)
        assert sum(score["p"] for score in row["scores"]) == pytest.approx(1, abs=1e-5)
