"""Pictures with captions on one page; a module for the other tools, not a program."""

from PIL import Image, ImageDraw

GAP, CAPTION, FONT = 8, 22, 14


def contact_sheet(pictures: list[tuple[str, Image.Image]], *, columns: int) -> Image.Image:
    """Returns a page with each picture above its caption, row by row.

    A caption wider than its picture is set in smaller type. Without any caption, no room is left
    for them.
    """
    columns = min(columns, len(pictures))
    wide = max(picture.width for _, picture in pictures)
    high = max(picture.height for _, picture in pictures)
    high += CAPTION if any(caption for caption, _ in pictures) else 0
    rows = -(-len(pictures) // columns)
    size = columns * (wide + GAP) + GAP, rows * (high + GAP) + GAP
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for index, (caption, picture) in enumerate(pictures):
        left = GAP + index % columns * (wide + GAP)
        top = GAP + index // columns * (high + GAP)
        page.paste(picture, (left, top))
        font = FONT
        while font > 6 and draw.textlength(caption, font_size=font) > wide:
            font -= 1
        draw.text((left, top + picture.height + 3), caption, fill="black", font_size=font)
    return page
