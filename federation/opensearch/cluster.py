"""Talking to the cluster: one request, its answer, and what an error means. Sole user of opensearch-py.

Whatever goes wrong is `Busy` with a sentence: a search answers 503, the follower tells of it and tries again. A
request goes to another server when one does not answer, so it must be one that may be repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from opensearchpy import OpenSearch
from opensearchpy import exceptions as wrong
from opensearchpy.serializer import Serializer

from federation.opensearch.address import Address
from schema.errors import Busy

BUDGET = 2.0
"""Seconds that a search may take in the cluster; what costs more is refused (503)."""
_PATIENCE, _REST, _PAUSE = 30.0, 3.0, 0.2
_POOL = 16
_TRIES = 3
_FULL = 429
_LOST = frozenset({500, 502, 503, 504})
_COSTLY = ("too_many_clauses", "too_many_nested_clauses", "circuit_breaking_exception", "task_cancelled_exception")
Found = dict[str, Any]


class Away(Busy):
    """The cluster gave no answer that is of use. `detail` names it, which is for the operator alone."""

    _public = "The search index cannot be asked now. Try again in a moment."


class Missing(Away):
    """The cluster has no such index, document or search context."""


class Clashed(Away):
    """Somebody else changed it first."""


class Late(Away):
    """No answer came in time; whether it was done nobody knows."""


class Broken(Away):
    """Some part of the index did not answer."""


class Full(Away):
    """The cluster has no room for a request at this moment (429), and did nothing of it."""


class _Json(Serializer):
    """JSON by orjson; what is bytes already goes as it is."""

    mimetype = "application/json"

    def dumps(self, data: Any) -> Any:
        """Give the body of a request."""
        return data if isinstance(data, bytes | str) else orjson.dumps(data)

    def loads(self, s: str) -> Any:
        """Read the body of an answer."""
        return orjson.loads(s)


class Cluster:
    """The servers of one cluster; safe to use from many threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)  # every error reaches the caller, who tells of it
        self._client = OpenSearch(
            hosts=[{"host": host, "port": port} for host, port in address.hosts],
            use_ssl=address.secure,
            http_auth=address.account,
            ca_certs=address.ca or None,
            serializer=_Json(),
            pool_maxsize=_POOL,
            max_retries=len(address.hosts),
            dead_timeout=5,
            http_compress=False,
        )

    def ask(self, method: str, path: str, body: Any = None, *, patience: float = _PATIENCE, **options: Any) -> Found:
        """Send one request, give its answer; a body of bytes is lines of JSON. Raises `Busy`, `Missing`, `Clashed`.

        What the cluster has no room for is sent again a moment later: a burst of writing fills its memory for as long
        as it takes to collect its garbage.
        """
        for tried in range(1, _TRIES):
            try:
                return self._once(method, path, body, patience, options)
            except Full:
                time.sleep(_PAUSE * tried)
        return self._once(method, path, body, patience, options)

    def _once(self, method: str, path: str, body: Any, patience: float, options: Mapping[str, Any]) -> Found:
        headers = {"content-type": "application/x-ndjson"} if isinstance(body, bytes) else None
        sent = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
        try:
            answer = self._client.transport.perform_request(
                method, path, params=sent, body=body, timeout=patience, headers=headers
            )
        except wrong.NotFoundError as error:
            raise Missing(f"The search engine has no {path}.") from error
        except wrong.ConflictError as error:
            raise Clashed(f"{path} was changed by another process.") from error
        except wrong.RequestError as error:
            if error.error == "resource_already_exists_exception":
                raise Clashed(f"{path} was made by another process.") from error
            raise Away(self._sentence(error)) from error
        except wrong.ConnectionTimeout as error:
            raise Late(f"The search engine at {self.address.told} did not answer in time.") from error
        except wrong.TransportError as error:
            raise (Full if error.status_code == _FULL else Away)(self._sentence(error)) from error
        return answer if isinstance(answer, dict) else {}

    def search(self, index: str, bodies: Sequence[Mapping[str, Any]], *, stay: str = "") -> list[Found]:
        """Search as often as there are bodies, in one request; one without a point in time of its own asks `index`.

        `stay` is any text: the same asks the same copies. Raises `Busy` for what does not end within the budget,
        `Broken` for what is not complete, `Missing` where index or point in time is gone.
        """
        parts = []
        for body in bodies:
            head: dict[str, Any] = {"allow_partial_search_results": False}
            if "pit" not in body:
                head |= {"index": index} | ({"preference": stay} if stay else {})
            parts += [orjson.dumps(head), orjson.dumps({**body, "timeout": f"{int(BUDGET * 1000)}ms"})]
        sent = b"\n".join([*parts, b""])
        answers = self._answers(sent)
        for tried in range(1, _TRIES):
            if not any(answer.get("status") in _LOST for answer in answers):
                break
            time.sleep(_PAUSE * tried)  # a server has just gone: its shards are asked elsewhere in a moment
            answers = self._answers(sent)
        return [_whole(answer) for answer in answers]

    def _answers(self, sent: bytes) -> list[Found]:
        found: list[Found] = self.ask("POST", "/_msearch", sent, patience=BUDGET + _REST)["responses"]
        return found

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()

    def _sentence(self, error: wrong.TransportError) -> str:
        where = self.address.told
        if isinstance(error, wrong.ConnectionError):
            return f"The search engine at {where} cannot be reached."
        if error.status_code in {401, 403}:
            return f"The search engine at {where} refuses our account ({error.status_code}): see FOLKMOOT_INDEX_URL."
        return f"The search engine at {where} answered {error.status_code}: {error.error}."


def _whole(answer: Found) -> Found:
    """The answer, if it is all of it."""
    if answer.get("timed_out"):
        raise Busy(f"This query costs more than its budget of {BUDGET:g} seconds. Ask a narrower question.")
    error = answer.get("error")
    if error is None:
        return answer
    told = orjson.dumps(error).decode()
    if any(word in told for word in _COSTLY):
        raise Busy("This query costs more than its budget. Ask a narrower question.")
    if answer.get("status") == 404:
        raise Missing("The search engine has no such index any more.")
    raise Broken(f"The search engine could not answer ({answer.get('status')}): {error.get('type', '')}.")
