r"""What the demo's people are called, say and own. All invented.

Some texts hold what careless code breaks on: quotes, backslashes, tabs, line breaks, emoji, text
from right to left, and a literal ``\N``, which is NULL in COPY's text format when not escaped.
"""

from __future__ import annotations

__all__ = [
    "CAPTIONS",
    "COUNTRIES",
    "FAMILY_NAMES",
    "GIVEN_NAMES",
    "HASHTAGS",
    "LANGUAGES",
    "MODELS",
    "PHRASES",
    "SOUNDS",
    "SUBJECTS",
]

# code, name, calling code, share of the people in per mille, language
COUNTRIES: tuple[tuple[str, str, int, int, str], ...] = (
    ("US", "United States", 1, 170, "en"),
    ("ID", "Indonesia", 62, 110, "id"),
    ("BR", "Brazil", 55, 95, "pt"),
    ("MX", "Mexico", 52, 62, "es"),
    ("VN", "Vietnam", 84, 52, "vi"),
    ("PH", "Philippines", 63, 45, "en"),
    ("TH", "Thailand", 66, 40, "th"),
    ("TR", "Türkiye", 90, 38, "tr"),
    ("SA", "Saudi Arabia", 966, 30, "ar"),
    ("EG", "Egypt", 20, 30, "ar"),
    ("GB", "United Kingdom", 44, 28, "en"),
    ("FR", "France", 33, 26, "fr"),
    ("DE", "Germany", 49, 24, "de"),
    ("JP", "Japan", 81, 24, "ja"),
    ("IT", "Italy", 39, 20, "it"),
    ("ES", "Spain", 34, 18, "es"),
    ("CO", "Colombia", 57, 18, "es"),
    ("AR", "Argentina", 54, 16, "es"),
    ("NG", "Nigeria", 234, 16, "en"),
    ("MY", "Malaysia", 60, 14, "en"),
    ("IQ", "Iraq", 964, 12, "ar"),
    ("PL", "Poland", 48, 11, "pl"),
    ("CA", "Canada", 1, 11, "en"),
    ("PE", "Peru", 51, 10, "es"),
    ("KE", "Kenya", 254, 10, "en"),
    ("RO", "Romania", 40, 8, "en"),
    ("ZA", "South Africa", 27, 8, "en"),
    ("CL", "Chile", 56, 8, "es"),
    ("AU", "Australia", 61, 7, "en"),
    ("NL", "Netherlands", 31, 6, "de"),
    ("KR", "South Korea", 82, 6, "en"),
    ("MA", "Morocco", 212, 5, "ar"),
    ("SE", "Sweden", 46, 4, "en"),
    ("PT", "Portugal", 351, 4, "pt"),
    ("BE", "Belgium", 32, 3, "fr"),
    ("NO", "Norway", 47, 3, "en"),
    ("SG", "Singapore", 65, 3, "en"),
    ("GR", "Greece", 30, 2, "en"),
    ("IE", "Ireland", 353, 2, "en"),
    ("NZ", "New Zealand", 64, 1, "en"),
)

LANGUAGES: tuple[tuple[str, str], ...] = (
    ("ar", "العربية"),
    ("de", "Deutsch"),
    ("en", "English"),
    ("es", "Español"),
    ("fr", "Français"),
    ("id", "Bahasa Indonesia"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("vi", "Tiếng Việt"),
)

GIVEN_NAMES = (
    *("Ada", "Amir", "Ana", "Ayşe", "Bao", "Carla", "Chidi", "Chloé", "Dewi", "Diego", "Elif"),
    *("Emma", "Farid", "Femi", "Grace", "Hana", "Hugo", "Ines", "Ivy", "João", "Jonas", "Kai"),
    *("Lena", "Liam", "Linh", "Lucía", "Malik", "Mei", "Mila", "Noah", "Noor", "Olga", "Omar"),
    *("Putri", "Rosa", "Sam", "Sofia", "Thiago", "Yuki", "Zoë"),
)
FAMILY_NAMES = (
    *("Adeyemi", "Almeida", "Bakker", "Brown", "Castro", "Costa", "D'Angelo", "Demir", "Dubois"),
    *("Fernández", "Fischer", "García", "Hansen", "Hidayat", "Ito", "Jensen", "Johnson", "Kaya"),
    *("Kim", "Kowalska", "Lopez", "Martin", "Mbeki", "Nguyễn", "Novak", "O'Neill", "Okafor"),
    *("Papadaki", "Pereira", "Ramos", "Rossi", "Santos", "Sato", "Schmidt", "Silva", "Smith"),
    *("Tan", "Torres", "Wijaya", "Young"),
)
PHRASES = (
    *("this is so good", "how did you do that", "first!", "who else came from the other video"),
    *(
        "kkkkkkk",
        "😂😂😂",
        "🔥",
        "can you make a part 2?",
        "the cat at the end",
        "I tried it today",
    ),
    *('he said "no way" and left', "it's fine, really", "back\\slash \\N is not a null", "a\ttab"),
    *("two\nlines", "c:\\temp\\new", "مرحبا من القاهرة", "とても良い", "จากกรุงเทพ", "ça marche ✓"),
    *("50% off; DROP TABLE no", "where is this place", "saved for later", "my sister needs this"),
    *("what song is it", "the lighting though", "day 3 of asking", "you deserve more followers"),
    *("so relatable", "no comment", "teach me", "👏🏽👏🏽", "1,000 times yes", "not today", "lol"),
)
CAPTIONS = (
    *("my morning, unedited", "one pan, ten minutes", "wait for it", "street food tour, part 4"),
    *("learning to skate at 40", "the view from here", "how we fixed the roof", "duet with my dad"),
    *("café ☕ and rain", "un día en el mercado", "朝ごはん", "she said \\o/ and ran", "no filter"),
    *("before / after", "practice makes... something", "dance tutorial, slow", "our dog's new job"),
)
HASHTAGS = (
    *("fyp", "food", "dance", "diy", "travel", "cat", "dog", "música", "日常", "school", "home"),
    *("two words", 'quo"ted', "comma,in", "back\\slash", "NULL", "brace{}", "skate", "rain"),
)
SOUNDS = (
    *("original sound", "Slow Rain", "Tape Loop 7", "Kitchen Beat", "Night Bus", "Samba da Rua"),
    *("Two Left Feet", "8-bit Sunrise", "夜の電車", "Dabke Remix", "Clap Clap Clap", "Old Piano"),
)
MODELS = (
    *("Pine 12", "Pine 14 Max", "Orbit S22", "Orbit A14", "Redwood Note 9", "Vela X80"),
    *("Tab 10", "Lumo 5G"),
)
SUBJECTS = (
    *("I cannot log in", "my video was removed", "please delete my account", "refund for coins"),
    *("somebody uses my photos", "change my birthday", "wrong country", "report a message"),
)
