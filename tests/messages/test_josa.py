"""Korean particles after words of every kind."""

# ruff: noqa: E501

import pytest

from harken.messages.josa import PAIRS, particle


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("유하", "이/가", "가"), ("민준", "이/가", "이"), ("서울", "이/가", "이"),
        ("유하", "을/를", "를"), ("책", "을/를", "을"), ("유하", "은/는", "는"), ("책", "은/는", "은"),
        ("유하", "와/과", "와"), ("책", "와/과", "과"), ("책", "과/와", "과"),
        ("서울", "으로/로", "로"), ("부산", "으로/로", "으로"), ("제주", "로/으로", "로"),
        ("책", "아/야", "아"), ("유하", "아/야", "야"), ("책", "이에요/예요", "이에요"),
        ("홍길동 님", "이/가", "이"), ("유하!", "을/를", "를"), ("(민준)", "을/를", "을"),
        ("1", "이/가", "이"), ("2", "이/가", "가"), ("3", "으로/로", "으로"), ("7", "으로/로", "로"),
        ("8", "으로/로", "로"), ("10", "을/를", "을"), ("100", "이/가", "이"), ("4", "이/가", "가"),
        ("6", "은/는", "은"), ("5", "은/는", "는"), ("9", "와/과", "와"), ("0", "이/가", "이"),
        ("Apple", "이/가", "이"), ("Apple", "으로/로", "로"), ("Google", "을/를", "을"),
        ("Nike", "을/를", "를"), ("Slack", "을/를", "을"), ("Facebook", "이/가", "이"),
        ("Mark", "이/가", "가"), ("Samsung", "이/가", "이"), ("iPhone", "을/를", "을"),
        ("Kim", "은/는", "은"), ("Peter", "은/는", "는"), ("David", "이/가", "가"),
        ("LG", "이/가", "가"), ("IBM", "이/가", "이"), ("SKT", "은/는", "는"), ("URL", "으로/로", "로"),
        ("ㅋ", "이/가", "이"), ("ㅏ", "이/가", "가"),
        ("東京", "이/가", "이(가)"), ("東京", "으로/로", "(으)로"), ("", "을/를", "을(를)"),
        ("🙂", "은/는", "은(는)"),
    ],
)  # fmt: skip
def test_particles(word: str, pair: str, expected: str) -> None:
    assert particle(word, pair) == expected


@pytest.mark.parametrize("pair", PAIRS)
def test_every_pair_may_be_written_either_way(pair: str) -> None:
    turned = "/".join(reversed(pair.split("/")))
    for word in ("책", "유하", "서울"):
        assert particle(word, pair) == particle(word, turned)


def test_an_unknown_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="이/가"):
        particle("책", "a/b")
