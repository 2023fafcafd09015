"""The words of the hosted pages, in each language that Harken speaks."""

from collections.abc import Mapping

from harken.people.profile import Profile

LANGUAGES = ("en", "ko", "id")
NAMES = {"en": "English", "ko": "한국어", "id": "Bahasa Indonesia"}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "unsubscribe_title": "Unsubscribe",
        "unsubscribe_ask": "Do you want to stop getting marketing e-mail from us?",
        "unsubscribe_ask_other": "Do you want to stop getting these messages from us?",
        "unsubscribed_other": "You will get no more of these messages from us. "
        "Messages about your orders still reach you.",
        "resubscribed_other": "You will get our messages as before.",
        "webhook:marketing": "Offers and news in our apps",
        "unsubscribe_do": "Unsubscribe",
        "choose": "Choose what you receive",
        "unsubscribed_title": "You are unsubscribed",
        "unsubscribed": "You will get no more marketing e-mail from us. "
        "Messages about your orders still reach you.",
        "undo": "That was a mistake: subscribe me again",
        "resubscribed_title": "You are subscribed again",
        "resubscribed": "You will get our e-mail as before.",
        "preferences_title": "What you receive",
        "preferences_for": "For {address}",
        "email:marketing": "Offers and news by e-mail",
        "all:night": "Offers at night (21:00 to 08:00)",
        "language": "Language",
        "save": "Save",
        "saved": "Your choices are saved.",
        "stop": "Stop all marketing",
        "stop_hint": "On every channel. Messages about your orders still reach you.",
        "stopped": "All marketing is stopped.",
        "missing_title": "This link does not work",
        "missing": "It may be incomplete. Please open the whole link from the message.",
        "gone_title": "This message is no longer here",
        "gone": "It can no longer be shown.",
        "trouble_title": "Please try again in a moment",
        "trouble": "We could not save this just now. Nothing was changed.",
        "survey_thanks_title": "Thank you",
        "survey_thanks": "Your answers have reached us.",
        "survey_send": "Send",
        "survey_required": "required",
        "survey_wrong": "Please look at this again:",
        "survey_is_required": "Please answer this question.",
        "survey_not_an_option": "Please choose from what is offered.",
        "survey_too_long": "Please shorten this to {longest} characters.",
        "survey_preview": "This is a preview: nothing is kept.",
        "home_title": "Harken",
        "home": "This server listens to what a shop's customers do and sends the messages that "
        "follow. Customers need nothing here: links in messages lead to their pages.",
        "home_api": "For developers: the API and its reference",
        "home_ready": "For operators: is it ready?",
    },
    "ko": {
        "unsubscribe_title": "수신거부",
        "unsubscribe_ask": "광고성 이메일을 더 이상 받지 않으시겠습니까?",
        "unsubscribe_ask_other": "이러한 메시지를 더 이상 받지 않으시겠습니까?",
        "unsubscribed_other": "앞으로 이러한 메시지를 보내지 않습니다. "
        "주문 관련 안내는 계속 받으실 수 있습니다.",
        "resubscribed_other": "이전처럼 메시지를 보내 드립니다.",
        "webhook:marketing": "앱 혜택 및 소식",
        "unsubscribe_do": "수신거부",
        "choose": "수신 설정 변경",
        "unsubscribed_title": "수신거부가 완료되었습니다",
        "unsubscribed": "앞으로 광고성 이메일을 보내지 않습니다. "
        "주문 관련 안내는 계속 받으실 수 있습니다.",
        "undo": "실수였습니다. 다시 받겠습니다",
        "resubscribed_title": "다시 구독되었습니다",
        "resubscribed": "이전처럼 이메일을 보내 드립니다.",
        "preferences_title": "수신 설정",
        "preferences_for": "{address}",
        "email:marketing": "이메일 혜택 및 소식",
        "all:night": "야간 광고 수신 (21:00~08:00)",
        "language": "언어",
        "save": "저장",
        "saved": "설정이 저장되었습니다.",
        "stop": "모든 광고 수신거부",
        "stop_hint": "모든 채널에 적용됩니다. 주문 관련 안내는 계속 받으실 수 있습니다.",
        "stopped": "모든 광고 수신이 거부되었습니다.",
        "missing_title": "링크가 올바르지 않습니다",
        "missing": "링크의 일부가 빠졌을 수 있습니다. 메시지에 있는 전체 링크를 열어 주세요.",
        "gone_title": "메시지를 볼 수 없습니다",
        "gone": "더 이상 표시할 수 없는 메시지입니다.",
        "trouble_title": "잠시 후 다시 시도해 주세요",
        "trouble": "지금은 저장할 수 없습니다. 변경된 내용은 없습니다.",
        "survey_thanks_title": "감사합니다",
        "survey_thanks": "답변이 잘 전달되었습니다.",
        "survey_send": "보내기",
        "survey_required": "필수",
        "survey_wrong": "다음 항목을 다시 확인해 주세요.",
        "survey_is_required": "이 질문에 답해 주세요.",
        "survey_not_an_option": "제시된 항목 중에서 선택해 주세요.",
        "survey_too_long": "{longest}자 이내로 줄여 주세요.",
        "survey_preview": "미리보기입니다. 답변은 저장되지 않습니다.",
        "home_title": "Harken",
        "home": "쇼핑몰 고객의 활동을 듣고 그에 맞는 메시지를 보내는 서버입니다. "
        "고객을 위한 페이지는 메시지 안의 링크로 열립니다.",
        "home_api": "개발자: API 및 참조 문서",
        "home_ready": "운영자: 준비 상태 확인",
    },
    "id": {
        "unsubscribe_title": "Berhenti berlangganan",
        "unsubscribe_ask": "Apakah Anda ingin berhenti menerima email promosi dari kami?",
        "unsubscribe_ask_other": "Apakah Anda ingin berhenti menerima pesan ini dari kami?",
        "unsubscribed_other": "Kami tidak akan mengirim pesan seperti ini lagi. "
        "Pesan tentang pesanan Anda tetap dikirim.",
        "resubscribed_other": "Anda akan menerima pesan kami seperti sebelumnya.",
        "webhook:marketing": "Promosi dan kabar di aplikasi kami",
        "unsubscribe_do": "Berhenti berlangganan",
        "choose": "Atur yang Anda terima",
        "unsubscribed_title": "Anda telah berhenti berlangganan",
        "unsubscribed": "Kami tidak akan mengirim email promosi lagi. "
        "Pesan tentang pesanan Anda tetap dikirim.",
        "undo": "Itu keliru: langganan lagi",
        "resubscribed_title": "Anda berlangganan lagi",
        "resubscribed": "Anda akan menerima email kami seperti sebelumnya.",
        "preferences_title": "Yang Anda terima",
        "preferences_for": "Untuk {address}",
        "email:marketing": "Promosi dan kabar lewat email",
        "all:night": "Promosi malam hari (21.00-08.00)",
        "language": "Bahasa",
        "save": "Simpan",
        "saved": "Pilihan Anda telah disimpan.",
        "stop": "Hentikan semua promosi",
        "stop_hint": "Di semua saluran. Pesan tentang pesanan Anda tetap dikirim.",
        "stopped": "Semua promosi dihentikan.",
        "missing_title": "Tautan ini tidak berfungsi",
        "missing": "Mungkin tidak lengkap. Buka tautan lengkap dari pesan tersebut.",
        "gone_title": "Pesan ini sudah tidak ada",
        "gone": "Pesan ini tidak dapat ditampilkan lagi.",
        "trouble_title": "Silakan coba lagi sebentar lagi",
        "trouble": "Kami belum dapat menyimpannya. Tidak ada yang berubah.",
        "survey_thanks_title": "Terima kasih",
        "survey_thanks": "Jawaban Anda sudah kami terima.",
        "survey_send": "Kirim",
        "survey_required": "wajib",
        "survey_wrong": "Mohon periksa lagi:",
        "survey_is_required": "Mohon jawab pertanyaan ini.",
        "survey_not_an_option": "Mohon pilih dari yang tersedia.",
        "survey_too_long": "Mohon persingkat menjadi {longest} karakter.",
        "survey_preview": "Ini pratinjau: tidak ada yang disimpan.",
        "home_title": "Harken",
        "home": "Server ini mendengarkan kegiatan pelanggan toko dan mengirim pesan yang sesuai. "
        "Halaman untuk pelanggan dibuka lewat tautan di dalam pesan.",
        "home_api": "Untuk pengembang: API dan referensinya",
        "home_ready": "Untuk operator: apakah sudah siap?",
    },
}


def spoken(tag: object) -> str | None:
    """The language of ours that a tag (`ko-KR`, `in`) means."""
    if not isinstance(tag, str):
        return None
    base = tag.strip().replace("_", "-").split("-")[0].lower()
    # `in` is what old Android and Java call Indonesian.
    base = "id" if base == "in" else base
    return base if base in LANGUAGES else None


def languages_of(profile: Profile | None, accept_language: str) -> list[str]:
    """Every language that the customer may want, as tags, the best first."""
    stated = [profile.attribute(name) for name in ("language", "locale")] if profile else []
    own = [one.strip() for one in stated if isinstance(one, str) and one.strip()]
    parts = (part.partition(";") for part in accept_language[:500].split(",")[:20])
    wanted = sorted((-_quality(rest), place, tag) for place, (tag, _, rest) in enumerate(parts))
    return [*own, *(tag.strip() for worth, _, tag in wanted if worth < 0 and tag.strip())]


def language_of(profile: Profile | None, accept_language: str) -> str:
    """The customer's own language, else the first of their browser's that we speak, else English.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.accept-language
    """
    if profile is not None:
        for name in ("language", "locale"):
            own = spoken(profile.attribute(name))
            if own is not None:
                return own
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept_language[:500].split(",")[:20]):
        tag, _, parameter = part.partition(";")
        language = spoken(tag)
        if language is not None:
            wanted.append((-_quality(parameter), place, language))
    wanted = [each for each in sorted(wanted) if each[0] < 0]
    return wanted[0][2] if wanted else "en"


def _quality(parameter: str) -> float:
    name, _, number = parameter.strip().partition("=")
    try:
        return float(number) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
