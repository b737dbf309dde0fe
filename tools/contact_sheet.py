"""Pictures with captions on one page; a module of the other tools, not a program."""

from PIL import Image, ImageDraw

GAP, CAPTION, FONT = 8, 22, 14


def contact_sheet(pictures: list[tuple[str, Image.Image]], *, columns: int) -> Image.Image:
    """Returns a page with each picture above its caption, row by row.

    Captions that are wider than their picture are set smaller.
    """
    columns = min(columns, len(pictures))
    wide = max(picture.width for _, picture in pictures)
    high = max(picture.height for _, picture in pictures) + CAPTION
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
