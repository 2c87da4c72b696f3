"""Words for splits in the names of folders, columns and cells, in many languages."""

import functools
import re
import unicodedata

from kerastl.data.labels import is_unseen
from kerastl.split_names import TEST, TRAIN, VALIDATION

# Words as `name_words` writes them: without accents, in small letters, and joined.
SPLIT_WORDS = {
    word: split
    for split, words in {
        TRAIN: "train training trn learn learning trainieren treino treinamento entrenamiento "
        "insample estimation trene trening treningssett opplæring opptrening träna træne entrenar "
        "treinar treinado addestrare allenamento entrainer apprendre anlernen oefenen "
        "betanítás betanító tanuló képzés eğit eğitme öğrenme öğretim uczyć ucząca uczące "
        "обучить обучающее обучающей тренинг трен учебный учебная "
        "entrainement apprentissage addestramento opleiding trainen trening treningowy treningowe "
        "treningowa uczenie uczący trénink trénování trénovací trénovacie trenovanie träning "
        "træning koulutus harjoitus opetus tanító tanítás antrenament antrenare latih latihan "
        "pelatihan huấnluyện eğitim обучение обучающая обучающие обучающий тренировка "
        "тренировочная тренировочные тренировочный навчання тренування εκπαίδευση אימון تدريب "
        "التدريب آموزش प्रशिक्षण ฝึก ฝึกสอน การฝึก 训练 训练集 訓練 訓練集 学习 "
        "學習 学習 トレーニング 훈련 학습",
        VALIDATION: "validation valid val validate dev devel development eval evaluation "
        "validación validação validierung validieren validazione validatie walidacja walidacyjny "
        "walidacyjne walidacyjna validace validační validácia validering validointi validáció "
        "validar valider validere ellenőrzés ellenőrző érvényesítés geçerleme проверка "
        "проверочная проверочный проверочные "
        "validare validasi doğrulama валидация валидационная валидационные валідація επικύρωση "
        "אימות التحقق تحقق सत्यापन kiểmđịnh 验证 验证集 驗證 驗證集 校验 検証 검증",
        TEST: "test testing tst holdout heldout teste testen testare prueba pruebas prova toets "
        "outofsample probar testar tester provare prøve prøving prüfen prüfung testaus tesztelés "
        "tesztelő próba deneme s\u0131nav тестовое тестовой испытание "
        "toetsen testowy testowe testowa testování testovací testovacie testi teszt s\u0131nama "
        "sinama uji ujian pengujian kiểmtra тест тестовая тестовые тестовый тестирование "
        "тестування δοκιμή בדיקה מבחן اختبار الاختبار परीक्षण ทดสอบ การทดสอบ 测试 测试集 測試 "
        "測試集 测验 測驗 テスト 試験 테스트 시험 평가",
    }.items()
    for word in words.split()
}


@functools.lru_cache(maxsize=1 << 16)
def split_named(text: str) -> str | None:
    """Returns the split that a name stands for, None if it is no usual name of one.

    Case, accents, separators, digits and a plural make no difference, as in `Train_2` and `TESTS`.

    Example:
        >>> split_named("Val-1"), split_named("cats")
        ('validation', None)
    """
    return _split_of_word("".join(name_words(text)))


@functools.lru_cache(maxsize=1 << 16)
def split_within(text: str) -> str | None:
    """Returns the one split that a name, or a word within it, stands for.

    It is None for a name that holds the words of two splits, and for one that holds none.

    Example:
        >>> split_within("train_images"), split_within("train and test"), split_within("contest")
        ('train', None, None)
        >>> split_within("cross_validation")
    """
    if alone := split_named(text):
        return alone
    if "cross" in (words := name_words(text)):
        return None  # Folders of cross-validation hold folds, not one split.
    words = [_THING.sub("", word) for word in words]
    found = {split for word in words if (split := _split_of_word(word))}
    return found.pop() if len(found) == 1 else None


def around_split(text: str) -> str | None:
    """Returns what a name with a split's word says of other things; None without such a word.

    Example:
        >>> around_split("My Test-Images (2)"), around_split("cats_test"), around_split("contest")
        ('', 'cats', None)
    """
    if split_named(text):
        return ""
    words = [_THING.sub("", word) for word in name_words(text)]
    rest = [word for word in words if word and not _split_of_word(word)]
    others = [word for word in rest if word not in _OF_A_SPLIT]
    return " ".join(others) if any(map(_split_of_word, words)) else None


def name_words(text: str) -> list[str]:
    """Returns the words of a name in small letters, without accents, digits and what is unseen."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", without_accents(text))
    return re.findall(r"[^\W\d_]+", parted.casefold())


def without_accents(text: str) -> str:
    """Returns a name's letters in their compatible form, without accents and what is unseen."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(
        one for one in apart if not (unicodedata.category(one) == "Mn" or is_unseen(one))
    )


# What is often written onto such a word without a gap, as in trainset, testImages, Testdaten.
_THING = re.compile(
    without_accents(
        r"((data)?(set|split|dir|folder)|data|(images?|imgs?|photos?|pics?|files?)|"
        "(daten|bilder)(satz)?|sett|sæt|sats|satz|halmaz|adatok|joukko|aineisto|zbiór|verisi|kümesi|"
        "(用|数据|數據|データ|資料|데이터|图像|图片|画像|이미지|용|集|セット|셋|세트)+)$"
    )
)
# Words that tell one folder of a split from another.
_OF_A_SPLIT = frozenset(
    [
        *("my", "the", "new", "old", "final", "full", "all", "small", "big", "mini", "raw", "own"),
        *("original", "copy", "extra", "public", "private", "hidden", "of", "for", "and", "with"),
        *("without", "labels", "unlabeled", "unlabelled", "images", "set", "stage", "x"),
    ]
)
# What is for training and validation together trains, if there is no other for it.
_SPLIT_OF = {"".join(name_words(word)): split for word, split in SPLIT_WORDS.items()} | {
    "trainval": TRAIN
}


def _split_of_word(word: str) -> str | None:
    return _SPLIT_OF.get(word) or _SPLIT_OF.get(word.removesuffix("s"))
