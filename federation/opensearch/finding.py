"""One search: page, count and facets in one request, what the facets' values are called in another if need be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tantivy

from federation.index import Facet, Hits, Query
from federation.opensearch import facets, queries
from federation.opensearch.cluster import Cluster, Found
from federation.opensearch.store import Seen

POINT_KEPT = "5m"
"""How long the cluster keeps a point in time that nobody asks."""
_NAMED = 5_000


class Search:
    """One query of one index; `point` is a point in time to read from, or nothing."""

    def __init__(self, cluster: Cluster, analysed: tantivy.TextAnalyzer, seen: Seen, query: Query, point: str) -> None:
        self.cluster = cluster
        self.analysed = analysed
        self.seen = seen
        self.query = query
        self.point = point
        self.own = {one.name for one in query.filters}

    def hits(self) -> Hits:
        """Find. Raises what `Cluster.search` raises."""
        query = self.query
        together = [name for name in query.facets if name not in self.own]
        alone = [self._counting(name, facets.MOST) for name in query.facets if name in self.own]
        answers = self._ask([self._page(together), *alone])
        hits = answers[0]["hits"]
        shown = hits["hits"][: query.limit]
        following = None
        if len(hits["hits"]) > len(shown) and shown:
            following = queries.position(query, shown[-1]["sort"], len(shown), self._number())
        rows = tuple(int(hit["fields"]["row"][0]) for hit in shown)
        return Hits(rows, following, hits["total"]["value"], hits["total"]["relation"] == "eq", self._facets(answers))

    def _number(self) -> int:
        """The commit that is read: that of the first page as long as there is its point in time."""
        return self.query.after.number if self.point and self.query.after else self.seen.reached.number

    def _ask(self, bodies: Sequence[Found]) -> list[Found]:
        return self.cluster.search(self.seen.index, bodies, stay=f"as {self.query.words}")

    def _page(self, names: Sequence[str]) -> Found:
        shown = {"track_total_hits": True, "stored_fields": "_none_", "docvalue_fields": ["row"]}
        return {
            **self._matching(""),
            **queries.page(self.query),
            **shown,
            "aggs": facets.aggregations(names, facets.MOST),
        }

    def _counting(self, name: str, most: int) -> Found:
        """Count one facet, its own filter left out."""
        counted = facets.aggregations([name], most)
        return {**self._matching(name), "size": 0, "track_total_hits": False, "aggs": counted}

    def _matching(self, without: str) -> Found:
        body: Found = {"query": queries.matching(self.analysed, self.query, without=without)}
        return body | ({"pit": {"id": self.point, "keep_alive": POINT_KEPT}} if self.point else {})

    def _facets(self, answers: Sequence[Found]) -> dict[str, Facet]:
        """The facets, in the order in which they were asked for."""
        counted: dict[str, Any] = {}
        for answer in answers:
            counted |= answer.get("aggregations", {})
        vague = [name for name, found in counted.items() if found["doc_count_error_upper_bound"]]
        for answer in self._ask([self._counting(name, facets.ALL) for name in vague]) if vague else ():
            counted |= answer["aggregations"]
        self._learn(counted)
        return {name: facets.facet(name, counted[name], self.seen.labels) for name in self.query.facets}

    def _learn(self, counted: Mapping[str, Any]) -> None:
        """Find out what these values are called, as far as it is not known of this commit."""
        wanted = facets.unlabelled(counted, self.seen.labels)
        if not wanted:
            return
        known = facets.settled(wanted, self._ask([facets.newest(*one) for one in wanted]), plain=False)
        loud = facets.shouted(known)
        if loud:
            known |= facets.settled(loud, self._ask([facets.spellings(*one) for one in loud]), plain=True)
        self.seen.labels.update(known)


def identities(cluster: Cluster, index: str, least: int, most: int) -> Iterator[tuple[str, str, int]]:
    """(id, kind, change number) of the documents whose change number lies in this span, in its order."""
    while least <= most:
        body = {
            "query": queries.numbers(least, most), "sort": [{"number": "asc"}], "size": _NAMED,
            "track_total_hits": False, "stored_fields": "_none_", "docvalue_fields": ["id", "kind", "number"],
        }  # fmt: skip
        (answer,) = cluster.search(index, [body])
        fields = [hit["fields"] for hit in answer["hits"]["hits"]]
        for one in fields:
            yield str(one["id"][0]), str(one["kind"][0]), int(one["number"][0])
        least = int(fields[-1]["number"][0]) + 1 if len(fields) == _NAMED else most + 1
