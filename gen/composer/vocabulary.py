"""The words the composer knows, in English and Chinese. Nothing here draws anything."""

from gen.composer.nouns import CROWDS, OBJECTS

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
    "silver": (0.72, 0.73, 0.75),
    "beige": (0.84, 0.76, 0.62),
    "navy": (0.13, 0.18, 0.36),
    "maroon": (0.46, 0.13, 0.16),
    "lime": (0.62, 0.78, 0.22),
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
    "silver": ("silver", "银色"),
    "beige": ("beige", "cream", "米色"),
    "navy": ("navy", "navy blue", "dark blue", "深蓝色", "深蓝"),
    "maroon": ("maroon", "dark red", "深红色", "深红"),
    "lime": ("lime", "light green", "浅绿色", "浅绿"),
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
    "concrete": ("concrete", "cement", "水泥", "混凝土"),
    "granite": ("granite", "花岗岩"),
    "clay": ("clay", "terracotta", "陶土", "陶"),
    "rust": ("rusty", "rusted", "生锈"),
    "cobblestone": ("cobblestone", "cobbled", "鹅卵石"),
    "pebble": ("pebble", "pebbled", "gravel", "碎石"),
    "straw": ("straw", "thatched", "wicker", "稻草"),
    "fabric": ("fabric", "cloth", "woven", "woollen", "布艺", "布"),
    "leather": ("leather", "皮革"),
    "cardboard": ("cardboard", "纸板", "纸"),
    "bamboo": ("bamboo", "竹子", "竹"),
    "dotted": ("dotted", "spotted", "polka dot", "圆点"),
    "mosaic": ("mosaic", "马赛克"),
    "mossy": ("mossy", "overgrown", "苔藓"),
    "ice": ("icy", "ice", "冰"),
    "sandstone": ("sandstone", "砂岩"),
    "plastic": ("plastic", "rubber", "塑料"),
    "fur": ("furry", "fluffy", "毛绒"),
    "log": ("log", "原木"),
    "shingled": ("shingled", "瓦片"),
    "camouflage": ("camouflage", "迷彩"),
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
    "grass": ("grass", "grassy", "meadow", "lawn", "field", "park", "草地", "草坪", "公园", "草"),
    "desert": ("desert", "dunes", "沙漠"),
    "sand": ("sand", "sandy", "beach", "沙滩", "沙"),
    "snow": ("snow", "snowy", "winter", "雪地", "雪"),
    "floor": ("floor", "tiles", "tiled", "地板"),
    "autumn": ("autumn", "fall", "秋天", "秋"),
    "street": ("street", "road", "asphalt", "city", "街道", "街上", "马路", "城市"),
    "plaza": ("plaza", "square", "courtyard", "广场", "院子"),
    "dirt": ("dirt", "earth", "soil", "farm", "泥地", "农场"),
    "room": (
        "room",
        "indoors",
        "indoor",
        "living room",
        "bedroom",
        "kitchen",
        "房间",
        "室内",
        "客厅",
        "卧室",
        "厨房",
    ),
}

LIGHT_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day", "daylight", "sunny", "afternoon", "白天", "晴天", "下午"),
    "noon": ("noon", "midday", "正午", "中午"),
    "morning": ("morning", "sunrise", "dawn", "早晨", "清晨", "日出", "黎明"),
    "sunset": ("sunset", "dusk", "evening", "golden hour", "日落", "黄昏", "傍晚"),
    "overcast": ("overcast", "cloudy", "阴天"),
    "fog": ("foggy", "fog", "misty", "mist", "大雾", "雾"),
    "night": ("night", "moonlight", "moonlit", "夜晚", "夜"),
}

CAMERA_WORDS: dict[str, tuple[str, ...]] = {
    "arc": ("arc",),
    "orbit": ("orbit", "orbiting", "fly around", "around it", "环绕"),
    "orbit_left": ("orbit left", "向左环绕"),
    "orbit_right": ("orbit right", "向右环绕"),
    "spiral": ("spiral", "spiralling", "螺旋"),
    "dolly_in": ("dolly in", "push in", "推近"),
    "dolly_out": ("dolly out", "pull out", "拉远"),
    "crane": ("crane", "rising", "升起"),
    "crane_up": ("crane up", "上升"),
    "crane_down": ("crane down", "下降"),
    "truck_left": ("truck left", "左移"),
    "truck_right": ("truck right", "右移"),
    "pan_left": ("pan left", "左摇"),
    "pan_right": ("pan right", "右摇"),
    "tilt_up": ("tilt up", "上摇"),
    "tilt_down": ("tilt down", "下摇"),
    "roll_cw": ("roll clockwise", "roll cw", "顺时针滚转"),
    "roll_ccw": ("roll counterclockwise", "roll ccw", "逆时针滚转"),
    "zoom_in": ("zoom in", "变焦推近", "放大"),
    "zoom_out": ("zoom out", "变焦拉远", "缩小"),
    "static": ("static", "static camera", "fixed camera", "固定镜头", "静止镜头"),
}

RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "on": ("on", "on top of", "onto", "upon", "atop"),
    "under": ("under", "underneath", "beneath", "below"),
    "beside": ("beside", "next to", "near", "by", "alongside", "close to"),
    "behind": ("behind", "in back of"),
    "front": ("in front of",),
    "left": ("left of", "to the left of", "on the left of"),
    "right": ("right of", "to the right of", "on the right of"),
}
"""Words between the thing placed and the thing it is placed by. Sides are as the camera sees them."""

PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "on": ("上面", "上边", "顶上", "之上", "上"),
    "under": ("下面", "下边", "底下", "之下", "下"),
    "beside": ("旁边", "旁", "边上", "附近"),
    "behind": ("后面", "后边", "背后", "后"),
    "front": ("前面", "前边", "前"),
    "left": ("左边", "左侧", "左面"),
    "right": ("右边", "右侧", "右面"),
}
"""The same in Chinese, where they follow the thing placed by."""

MOTION_WORDS: dict[str, tuple[str, ...]] = {
    "drive": ("drive", "drives", "driving", "行驶", "驾驶", "开动", "开过"),
    "walk": ("walk", "walks", "walking", "strolling", "行走", "走路", "散步", "走动", "走"),
    "run": ("run", "runs", "running", "奔跑", "跑步", "跑"),
    "bounce": ("bounce", "bounces", "bouncing", "jumping", "jumps", "hopping", "弹跳", "跳动", "跳跃", "跳"),
    "spin": ("spin", "spins", "spinning", "rotating", "rotates", "revolving", "旋转", "转动", "转"),
    "roll": ("rolling", "rolls", "滚动", "滚"),
}

PRONOUNS = ("it", "them", "its", "their", "它", "它们")
_STOP_TEXT = """
a an the and with of in at to from into through over is are was there that which who while
camera video scene picture photo shot view slow slowly gently quickly fast
的 和 与 在 里 里面 了 有 是 个 座 棵 辆 块 只 张 把 朵 间 栋 盏 颗 位 本 台 匹 条 时 时候 着 色 一些 放着
停着 站着 放 站 停 正在 正 地
"""
STOP_WORDS: frozenset[str] = frozenset((*_STOP_TEXT.split(), *PRONOUNS))
"""Words that carry nothing to draw: neither used nor ignored."""

CATEGORIES: dict[str, dict[str, tuple[str, ...]]] = {
    "object": OBJECTS,
    "color": COLOR_WORDS,
    "material": MATERIAL_WORDS,
    "size": SIZE_WORDS,
    "ground": GROUND_WORDS,
    "light": LIGHT_WORDS,
    "camera": CAMERA_WORDS,
    "motion": MOTION_WORDS,
    "relation": RELATION_WORDS,
    "place": PLACE_WORDS,
}


def known_words() -> dict[str, tuple[str, ...]]:
    """Every word the composer knows, by category, in the order of the lists above."""
    words = {name: tuple(w for group in lists.values() for w in group) for name, lists in CATEGORIES.items()}
    words["object"] += tuple(CROWDS)
    words["number"] = tuple(NUMBERS)
    return words
