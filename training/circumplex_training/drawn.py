"""Pages of lettering and drawn shapes: what a face detector takes for a face in titles, signs, logos and animations,
and photographs hardly hold. Nothing on them is meant to be a face."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

PAGE_SIDE = 512
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&%?!@#"
# Ordinary lettering alone: the others of matplotlib's fonts are mathematical symbols.
FONT_NAMES = ("DejaVu", "STIXGeneral", "cmb10", "cmr10", "cmss10", "cmtt10")


def font_files() -> list[Path]:
    """Fonts that matplotlib brings, so that every machine draws the same."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(path for path in folder.glob("*.ttf") if path.name.startswith(FONT_NAMES))


def background(random: np.random.Generator, photographs: list[np.ndarray]) -> Image.Image:
    """A flat colour, a slope of two colours, or a very blurred piece of a photograph."""
    kind = random.random()
    first, second = random.integers(0, 256, (2, 3))
    if kind < 0.4:
        return Image.new("RGB", (PAGE_SIDE, PAGE_SIDE), tuple(int(part) for part in first))
    if kind < 0.7 or not photographs:
        share = np.linspace(0, 1, PAGE_SIDE)[:, None, None]
        page = (first * share + second * (1 - share)).repeat(PAGE_SIDE, axis=1).astype(np.uint8)
        return Image.fromarray(page if random.random() < 0.5 else page.transpose(1, 0, 2).copy())
    photograph = Image.fromarray(photographs[int(random.integers(len(photographs)))])
    return photograph.resize((PAGE_SIDE, PAGE_SIDE)).filter(ImageFilter.GaussianBlur(random.uniform(12, 30)))


def draw_shape(page: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """One ellipse, rounded box, polygon, arc or curve, filled or outlined, anywhere."""

    def colour() -> tuple[int, ...]:
        return tuple(int(part) for part in random.integers(0, 256, 3))

    x, y = random.uniform(-40, PAGE_SIDE, 2)
    width, height = np.exp(random.uniform(math.log(12), math.log(260), 2))
    box, stroke = (x, y, x + width, y + height), int(random.integers(1, 14))
    fill = colour() if random.random() < 0.7 else None
    outline = colour() if random.random() < 0.6 or fill is None else None
    match int(random.integers(5)):
        case 0:
            page.ellipse(box, fill=fill, outline=outline, width=stroke)
        case 1:
            # Pillow cannot draw corners whose strokes meet.
            radius = random.uniform(0, 0.4) * min(width, height)
            page.rounded_rectangle(
                box, radius, fill=fill, outline=outline, width=min(stroke, int(min(width, height) / 8))
            )
        case 2:
            turns = np.sort(random.uniform(0, 2 * math.pi, int(random.integers(3, 8))))
            centre, reach = np.array([x + width / 2, y + height / 2]), np.array([width, height]) / 2
            corners = centre + reach * np.stack([np.cos(turns), np.sin(turns)], axis=1)
            page.polygon([tuple(corner) for corner in corners], fill=fill or colour(), outline=outline)
        case 3:
            start = random.uniform(0, 360)
            page.arc(box, start, start + random.uniform(40, 300), fill=colour(), width=stroke)
        case _:
            points = np.array([x, y]) + np.cumsum(random.normal(0, width / 4, (12, 2)), axis=0)
            page.line([tuple(point) for point in points], fill=colour(), width=stroke, joint="curve")


def draw_lettering(page: Image.Image, random: np.random.Generator, fonts: list[Path]) -> None:
    """One to eight large characters, turned, often with an outline or a shadow."""
    size = int(np.exp(random.uniform(math.log(24), math.log(260))))
    font = ImageFont.truetype(fonts[int(random.integers(len(fonts)))], size)
    text = "".join(random.choice(list(ALPHABET), int(random.integers(1, 9))))
    stroke = int(random.integers(0, max(2, size // 8))) if random.random() < 0.6 else 0
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
    label = Image.new("RGBA", (int(right - left) + 24, int(bottom - top) + 24))
    pen = ImageDraw.Draw(label)
    fill, edge, shade = (tuple(int(part) for part in colour) for colour in random.integers(0, 256, (3, 3)))
    at = (12 - left, 12 - top)
    if random.random() < 0.3:
        pen.text((at[0] + size * 0.06, at[1] + size * 0.06), text, font=font, fill=shade, stroke_width=stroke)
    pen.text(at, text, font=font, fill=fill, stroke_width=stroke, stroke_fill=edge)
    label = label.rotate(float(random.normal(0, 12)), expand=True, resample=Image.Resampling.BILINEAR)
    x, y = random.integers(-60, PAGE_SIDE - 20, 2)
    page.paste(label, (int(x), int(y)), label)


def draw_page(random: np.random.Generator, fonts: list[Path], photographs: list[np.ndarray]) -> np.ndarray:
    """One page: PAGE_SIDE x PAGE_SIDE x 3 uint8. `photographs` give some of the backgrounds, very blurred."""
    page = background(random, photographs)
    shapes, letters = random.poisson(6), random.poisson(4)
    for is_letter in random.permutation([False] * shapes + [True] * letters):
        if is_letter:
            draw_lettering(page, random, fonts)
        else:
            draw_shape(ImageDraw.Draw(page), random)
    if random.random() < 0.5:
        page = page.filter(ImageFilter.GaussianBlur(random.uniform(0.4, 3)))
    picture = np.asarray(page).astype(np.float32)
    if random.random() < 0.4:
        picture += random.normal(0, random.uniform(1, 12), picture.shape)
    return picture.clip(0, 255).astype(np.uint8)
