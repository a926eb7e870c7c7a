"""The words the composer knows, in English and Chinese. Nothing here draws anything."""

OBJECTS: dict[str, tuple[str, ...]] = {
    "house": ("house", "home", "cottage", "cabin", "hut", "房子", "房屋", "小屋", "屋"),
    "tower": ("tower", "castle", "lighthouse", "塔", "城堡"),
    "windmill": ("windmill", "mill", "风车"),
    "tent": ("tent", "帐篷"),
    "well": ("well", "水井", "井"),
    "tree": ("tree", "oak", "oak tree", "apple tree", "树", "橡树"),
    "pine": ("pine", "fir", "spruce", "pine tree", "fir tree", "christmas tree", "松树", "松"),
    "bush": ("bush", "shrub", "hedge", "灌木"),
    "cactus": ("cactus", "仙人掌"),
    "mushroom": ("mushroom", "toadstool", "蘑菇"),
    "flower": ("flower", "tulip", "花"),
    "rock": ("rock", "boulder", "stone", "岩石", "石头"),
    "snowman": ("snowman", "雪人"),
    "car": ("car", "automobile", "汽车", "轿车", "车"),
    "fence": ("fence", "篱笆", "栅栏"),
    "bench": ("bench", "长椅"),
    "table": ("table", "desk", "桌子", "桌"),
    "chair": ("chair", "stool", "椅子", "椅"),
    "lamp": ("lamp", "lantern", "lamp post", "street lamp", "street light", "路灯", "灯"),
    "barrel": ("barrel", "木桶", "桶"),
    "box": ("box", "crate", "cube", "箱子", "盒子", "箱", "盒"),
    "ball": ("ball", "sphere", "球"),
    "cone": ("cone", "traffic cone", "圆锥"),
    "pillar": ("pillar", "column", "cylinder", "柱子", "柱"),
    "robot": ("robot", "机器人"),
}

PLURALS: dict[str, str] = {
    "trees": "tree",
    "bushes": "bush",
    "boxes": "box",
    "benches": "bench",
    "cacti": "cactus",
    "cactuses": "cactus",
    "snowmen": "snowman",
    "wells": "well",
}
"""Plurals that are not the word plus s."""

CROWDS: dict[str, tuple[str, int]] = {
    "forest": ("tree", 8),
    "woods": ("tree", 8),
    "grove": ("tree", 5),
    "garden": ("flower", 6),
    "village": ("house", 4),
    "森林": ("pine", 8),
    "树林": ("tree", 6),
    "花园": ("flower", 6),
    "村庄": ("house", 4),
}
"""Words that mean several of something: (object, how many)."""

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.72, 0.16, 0.12),
    "green": (0.24, 0.50, 0.20),
    "blue": (0.16, 0.36, 0.68),
    "yellow": (0.90, 0.72, 0.18),
    "orange": (0.88, 0.45, 0.12),
    "purple": (0.45, 0.25, 0.60),
    "pink": (0.90, 0.52, 0.60),
    "white": (0.90, 0.88, 0.84),
    "black": (0.13, 0.13, 0.14),
    "grey": (0.50, 0.50, 0.50),
    "brown": (0.45, 0.30, 0.17),
    "golden": (0.85, 0.62, 0.20),
    "turquoise": (0.20, 0.62, 0.62),
}
"""sRGB, 0..1."""

COLOR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "红色", "红"),
    "green": ("green", "绿色", "绿"),
    "blue": ("blue", "蓝色", "蓝"),
    "yellow": ("yellow", "黄色", "黄"),
    "orange": ("orange", "橙色", "橙"),
    "purple": ("purple", "violet", "紫色", "紫"),
    "pink": ("pink", "粉色", "粉红色", "粉"),
    "white": ("white", "白色", "白"),
    "black": ("black", "黑色", "黑"),
    "grey": ("grey", "gray", "灰色", "灰"),
    "brown": ("brown", "棕色", "棕"),
    "golden": ("golden", "gold", "金色", "金"),
    "turquoise": ("turquoise", "teal", "cyan", "青色"),
}

MATERIAL_WORDS: dict[str, tuple[str, ...]] = {
    "brick": ("brick", "bricks", "砖"),
    "wood": ("wooden", "wood", "timber", "木头", "木"),
    "stone": ("stone", "石"),
    "marble": ("marble", "大理石"),
    "metal": ("metal", "iron", "金属"),
    "plaster": ("painted", "plain"),
    "striped": ("striped", "stripy", "条纹"),
    "checkered": ("checkered", "chequered", "checked", "格子"),
}

SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "big": ("big", "large", "huge", "giant", "tall", "大"),
    "small": ("small", "tiny", "little", "mini", "小"),
}

SIZES: dict[str, float] = {"big": 1.4, "small": 0.7}
"""Scale of each size word."""

NUMBERS: dict[str, int] = {
    **dict.fromkeys(("one", "single", "一"), 1),
    **dict.fromkeys(("two", "pair", "couple", "两", "二"), 2),
    **dict.fromkeys(("three", "some", "三", "几"), 3),
    **dict.fromkeys(("four", "several", "四"), 4),
    **dict.fromkeys(("five", "五"), 5),
    **dict.fromkeys(("six", "many", "六", "许多"), 6),
    **dict.fromkeys(("seven", "七"), 7),
    **dict.fromkeys(("eight", "八"), 8),
    **dict.fromkeys(("nine", "九"), 9),
    **dict.fromkeys(("ten", "十"), 10),
}

GROUND_WORDS: dict[str, tuple[str, ...]] = {
    "grass": ("grass", "grassy", "meadow", "lawn", "field", "草地", "草坪", "草"),
    "desert": ("desert", "dunes", "沙漠"),
    "sand": ("sand", "sandy", "beach", "沙滩", "沙"),
    "snow": ("snow", "snowy", "winter", "雪地", "雪"),
    "floor": ("floor", "tiles", "tiled", "地板"),
    "autumn": ("autumn", "fall", "秋天", "秋"),
}

LIGHT_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day", "daylight", "sunny", "afternoon", "白天", "晴天"),
    "noon": ("noon", "midday", "正午", "中午"),
    "sunset": ("sunset", "sunrise", "dusk", "dawn", "evening", "golden hour", "日落", "日出", "黄昏", "黎明"),
    "overcast": ("overcast", "cloudy", "阴天"),
    "night": ("night", "moonlight", "moonlit", "夜晚", "夜"),
}

CAMERA_WORDS: dict[str, tuple[str, ...]] = {
    "arc": ("arc",),
    "orbit": ("orbit", "orbiting", "fly around", "around it", "环绕"),
    "spiral": ("spiral", "spiralling", "螺旋"),
    "dolly_in": ("dolly in", "zoom in", "push in", "推近"),
    "dolly_out": ("dolly out", "zoom out", "pull out", "拉远"),
    "crane": ("crane", "crane up", "rising", "升起"),
    "truck_left": ("truck left", "pan left", "左移"),
    "truck_right": ("truck right", "pan right", "右移"),
}

_STOP_TEXT = """
a an the and with of in on at by near beside next to under behind front from into through over
camera video scene picture photo shot view it its there is are slow slowly gently
的 和 与 在 里 里面 上 下 旁 旁边 了 有 个 座 棵 辆 块 只 张 把 朵 间 栋 盏 颗 时 时候 着 色
"""
STOP_WORDS: frozenset[str] = frozenset(_STOP_TEXT.split())
"""Words that carry nothing to draw: neither used nor ignored."""

CATEGORIES: dict[str, dict[str, tuple[str, ...]]] = {
    "object": OBJECTS,
    "color": COLOR_WORDS,
    "material": MATERIAL_WORDS,
    "size": SIZE_WORDS,
    "ground": GROUND_WORDS,
    "light": LIGHT_WORDS,
    "camera": CAMERA_WORDS,
}


def known_words() -> dict[str, tuple[str, ...]]:
    """Every word the composer knows, by category, in the order of the lists above."""
    words = {name: tuple(w for group in lists.values() for w in group) for name, lists in CATEGORIES.items()}
    words["object"] += tuple(CROWDS)
    words["number"] = tuple(NUMBERS)
    return words
