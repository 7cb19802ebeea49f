"""The keys that a node is known by: which changes are taken, and which wait for a person (protocol section 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from federation.sign import Jwk, Ring, moment
from schema.entry import stamp
from schema.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys after a change, each with `since`; `objections` say, a sentence each, why a person must look first."""

    keys: list[Jwk]
    objections: tuple[str, ...] = ()


def offered(manifest: Manifest) -> list[Jwk]:
    """The keys of a manifest as JWKs."""
    return [key.model_dump(mode="json", by_alias=True, exclude_none=True) for key in manifest.keys or ()]


def take(pinned: Sequence[Jwk], manifest: Manifest, *, now: datetime) -> Keys:
    """What a manifest makes of the keys that are pinned.

    The first keys of a node that had none are taken, a new one that a pinned key endorses, and the end of a key. That
    a key is gone, or another under its name, that an end is taken back, or a new key has nobody's word: each objects.
    """
    known, shown = {str(key["kid"]): key for key in pinned}, offered(manifest)
    objections = [f"The key {kid} stands there twice." for kid, n in Counter(k["kid"] for k in shown).items() if n > 1]
    by_kid = {str(key["kid"]): key for key in shown}
    objections += [told for kid, key in known.items() if (told := _changed(key, by_kid.get(kid)))]
    fresh = [key for kid, key in by_kid.items() if kid not in known]
    strangers = _without_word(fresh, known, by_kid) if known else []
    objections += [f"The key {key['kid']} is new, and no key that is known has endorsed it." for key in strangers]
    since = {kid: key["since"] for kid, key in known.items()}
    kept = [key for kid, key in known.items() if kid not in by_kid]
    taken = [{**key, "since": since.get(kid, stamp(now))} for kid, key in by_kid.items()]
    return Keys([*kept, *taken], tuple(objections))


def objections(pinned: Sequence[Jwk], role: str, manifest: Manifest, *, now: datetime) -> tuple[str, ...]:
    """Why a person must look at a node that was pinned with these keys and this role; nothing where none need."""
    keys = take(pinned, manifest, now=now).objections
    return keys if manifest.role == role else (*keys, f"Its role was {role} and is now {manifest.role}.")


def heard(pinned: Sequence[Jwk], manifest: Manifest, *, now: datetime, objected: bool = False) -> list[Jwk]:
    """The keys after what waits for no person: the change, or where a person must look first the ends of keys alone."""
    change = take(pinned, manifest, now=now)
    return ended(pinned, manifest) if objected or change.objections else change.keys


def ended(pinned: Sequence[Jwk], manifest: Manifest) -> list[Jwk]:
    """The pinned keys with the revocations that a manifest says of them, where nothing else of it can be taken.

    Not with an `exp`: a key that is known as retired stands behind no successor, and the manifest that retires it may
    only have to be mended elsewhere before the change is taken as it is.
    """
    return known_as_revoked(pinned, offered(manifest))


def taken_back(pinned: Sequence[Jwk], manifest: Manifest) -> bool:
    """Whether a manifest shows a pinned key as another, or without the end that is known of it."""
    known, shown = ({str(key["kid"]): key for key in keys} for keys in (pinned, offered(manifest)))
    return any(_changed(key, shown[kid]) for kid, key in known.items() if kid in shown)


def known_as_revoked(keys: Sequence[Jwk], heard: Sequence[Jwk]) -> list[Jwk]:
    """Keys that are taken as they stand, with the revocations that were heard of them before."""
    before = {str(key["kid"]): key for key in heard}
    return [_ended(key, before.get(str(key["kid"]), {})) for key in keys]


def _ended(old: Jwk, new: Jwk) -> Jwk:
    if new.get("x") != old["x"] or "revoked" in old or "revoked" not in new:
        return old
    return {**old, **{name: new[name] for name in ("revoked", "reason") if name in new}}


def anew(manifest: Manifest, *, now: datetime) -> list[Jwk]:
    """The keys of a manifest as a person confirmed them, or as they stood when the node joined."""
    return [{**key, "since": stamp(now)} for key in offered(manifest)]


def _changed(old: Jwk, new: Jwk | None) -> str:
    if new is None:
        return "" if "revoked" in old else f"The key {old['kid']} is gone."
    if new["x"] != old["x"]:
        return f"Another key has the name {old['kid']}."
    if "revoked" in old and "revoked" not in new:
        return f"The key {old['kid']} was revoked and is not any more."
    if "revoked" in new:
        return ""  # which says more than the end that it had
    if "exp" in old and ("exp" not in new or moment(new["exp"]) > moment(old["exp"])):
        return f"The end of the key {old['kid']} was taken back."
    return ""


def _without_word(fresh: Sequence[Jwk], known: dict[str, Jwk], shown: dict[str, Jwk]) -> list[Jwk]:
    """The new keys that no known key stands behind, not even by way of other new ones (two rotations at once)."""
    speaking = [key for kid, key in known.items() if "revoked" not in shown.get(kid, {})]
    left = list(fresh)
    while True:
        ring = Ring(speaking)
        endorsed = [key for key in left if ring.endorses(key)]
        if not endorsed:
            return left
        left = [key for key in left if key not in endorsed]
        speaking += [{n: v for n, v in key.items() if n != "exp"} for key in endorsed if "revoked" not in key]
