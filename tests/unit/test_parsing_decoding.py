"""Text in whatever encoding it comes."""

import subprocess
import sys

import pytest

from graphmill.parsing.decoding import to_text

TEXTS = {
    "utf-8": "Ünïcödé – 東京 – مرحبا",
    "utf-8-sig": "Größe",
    "utf-16": "Plain words, ü",
    "utf-32": "Plain words, ü",
    "utf-16-le": "Plain words without a mark, naïve",
    "utf-16-be": "Plain words without a mark, naïve",
    "cp932": "名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n",
    "iso2022_jp": "名前,年齢\n佐藤太郎,30\n",
    "gb18030": "北京是中华人民共和国的首都。",
    "big5": "臺北是中華民國的首都。",
    "cp949": "서울은 대한민국의 수도이다.",
    "cp1252": "Die Größe von Müller’s Café – “naïve” costs €5",
    "cp1251": "Привет, мир. Это обычный русский текст.",
    "koi8_r": "Привет, мир. Это обычный русский текст.",
    "iso8859_7": "Η Αθήνα είναι πρωτεύουσα.",
    "cp1256": "القاهرة عاصمة مصر",
    "cp1250": "Łódź jest miastem w Polsce, žluťoučký kůň",
}


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("times", [1, 40])
def test_an_encoding_is_recognised_in_short_and_long_texts(encoding: str, times: int) -> None:
    text = (TEXTS[encoding] + "\n") * times
    assert to_text(text.encode(encoding)) == text


ONE_BYTE = {
    "Первый абзац текста. Анна Каренина встретила Алексея Вронского в Москве.": (
        "cp1251 koi8_r cp866 iso8859_5 mac_cyrillic"
    ),
    "Україна є суверенною державою. Київ — столиця і найбільше місто.": "cp1251 mac_cyrillic",
    "Zażółć gęślą jaźń. Łódź i Kraków są miastami w Polsce.": "cp1250 iso8859_2",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.": "cp1250 iso8859_2",
    "A cég székhelye Győrben van, és több mint ötven embert foglalkoztat.": "cp1250 iso8859_2",
    "Größe Straße Über Müller": "cp1252 mac_roman cp437 cp850",
    "Café René à la carte, “quotes” – naïve Größe": "cp1252 mac_roman",
    "El niño comió en el jardín. ¿Dónde está la señora? ¡Qué año!": "cp1252 mac_roman cp850",
    "It’s a “test” – really… it costs £5": "cp1252 mac_roman",
    "Reykjavík er höfuðborg Íslands. Það er þægilegt.": "cp1252",
    "İstanbul Türkiye'nin en büyük şehridir. Ağaç, çiçek, güneş ve ışık.": "cp1254",
    "Vilnius yra Lietuvos sostinė ir didžiausias šalies miestas.": "cp1257",
    "שלום עולם. ירושלים היא בירת ישראל.": "cp1255 iso8859_8",
    "مرحبا بالعالم. القاهرة عاصمة مصر.": "cp1256 iso8859_6",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย": "cp874",
}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(text, name) for text, names in ONE_BYTE.items() for name in names.split()],
)
@pytest.mark.parametrize("times", [1, 40])
def test_encodings_of_one_byte_are_told_apart_by_a_line_of_any_language(
    text: str, encoding: str, times: int
) -> None:
    assert to_text((text + "\n").encode(encoding) * times) == (text + "\n") * times


def test_a_few_letters_or_signs_among_english_are_western() -> None:
    for text in ("Some letters: åäö", "capacity = P × A × T", "25 °C ± 2; § 5; 10 µm", "a\xa0b"):
        assert to_text(text.encode("cp1252")) == text


def test_text_of_mainframes_is_decoded_and_a_row_of_at_signs_is_not() -> None:
    text = "Support and services\nof the usual kind, 24 hours a day\n"
    assert to_text(text.encode("cp500")) == text
    assert to_text(text.replace("\n", "\x85").encode("cp500")) == text
    for plain in ("@@@@@@@@@@@@", "@me@you@them", "x@y.org"):
        assert to_text(plain.encode()) == plain


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognised_in_east_asian_text(encoding: str) -> None:
    text = "日本語のテキストです。佐藤太郎は東京に住んでいます。\n"
    assert to_text(text.encode(encoding)) == text


def test_french_is_not_taken_for_baltic() -> None:
    text = "Hôtel très cher, déjà payé à l'été\n"
    for times in (1, 60):
        assert to_text((text * times).encode("cp1252")) == text * times


def test_utf8_that_is_cut_in_a_character_or_has_a_stray_byte_stays_utf8() -> None:
    data = ("東京の人口。" * 50).encode()
    assert (to_text(data[:-1]) or "").startswith("東京の人口。東京")
    assert "東京" in (to_text(data + b"\xff" + data) or "")


def test_an_html_declaration_is_heeded_only_for_known_names() -> None:
    page = '<meta charset="iso-8859-2"><p>Łódź</p>'
    assert to_text(page.encode("iso8859_2"), declared=True) == page
    for codec in ("unicode_escape", "zlib_codec", "rot13", "punycode", "idna"):
        hostile = f'<meta charset="{codec}"><p>Größe</p>'
        assert to_text(hostile.encode("cp1252"), declared=True) == hostile


@pytest.mark.parametrize(
    ("name", "codec", "word"),
    [
        ("iso-8859-6", "iso8859_6", "القاهرة"),
        ("iso-8859-8-i", "iso8859_8", "שלום"),
        ("ibm866", "cp866", "Москва"),
        ("x-mac-cyrillic", "mac_cyrillic", "Москва"),
        ("macintosh", "mac_roman", "Größe"),
        ("x-sjis", "cp932", "東京"),
        ("hz-gb-2312", "hz", "北京"),
    ],
)
def test_names_of_encodings_are_those_that_browsers_know(name: str, codec: str, word: str) -> None:
    page = f'<meta charset="{name}"><p>{word}</p>'
    assert to_text(page.encode(codec), declared=True) == page


def test_the_declaration_of_xml_is_heeded() -> None:
    page = '<?xml version="1.0" encoding="iso-8859-2"?><html><p>ąę</p></html>'
    assert to_text(page.encode("iso8859_2"), declared=True) == page


def test_ascii_with_stray_nuls_is_not_taken_for_chinese() -> None:
    assert to_text(b"hello\0world " * 10) == "helloworld " * 10
    assert to_text(b"hello world" + bytes(500)) == "hello world"


@pytest.mark.parametrize("data", [bytes(1000), bytes(range(256)) * 4, b"\x01\x02\x03" * 9])
def test_binary_is_no_text(data: bytes) -> None:
    assert to_text(data) is None


def test_the_guess_does_not_depend_on_the_order_of_sets() -> None:
    code = (
        "from graphmill.parsing.decoding import to_text;"
        "print(ascii(to_text('señor niño; Łódź'.encode('cp1250', 'replace'))))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(seen) == 1
