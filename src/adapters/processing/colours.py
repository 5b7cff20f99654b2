"""Conversion of colours to 8-bit sRGB."""

import io

from PIL import Image, ImageCms, ImageMath

from adapters.processing import hdr, profiles

_SRGB = ImageCms.createProfile("sRGB")
HDR = "hdr"
"""The key in `info` of an HDR image: its primaries, its transfer function and its peak luminance in nits."""
_MIXABLE = {"RGB", "RGBA", "CMYK", "L"}


def resizable(image: Image.Image) -> Image.Image:
    """Return the image in a mode that can be resampled: unchanged, or as RGB or RGBA if its colours cannot be interpolated
    or one of them is transparent."""
    if image.mode in _MIXABLE and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return _of_16_bits(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def plain(image: Image.Image) -> Image.Image:
    """Convert the image to sRGB, in mode RGB, or RGBA if it may be transparent."""
    shown = resizable(image)
    if toned := image.info.get(HDR):
        shown = shown if shown.mode in {"RGB", "RGBA"} else shown.convert("RGB")
        shown = shown.filter(hdr.table(*toned))
    else:
        shown = _in_srgb(shown)
    return shown if shown.mode in {"RGB", "RGBA"} else shown.convert("RGB")


def _of_16_bits(image: Image.Image) -> Image.Image:
    grey = image.point(lambda value: value * (1 / 256)).convert("L")
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return grey.convert("RGB")
    # Compare before the lower bits are lost: only this exact colour is transparent.
    visible = ImageMath.lambda_eval(lambda args: (args["grey"] != key) * 255, grey=image.convert("I"))
    shown = grey.convert("RGBA")
    shown.putalpha(visible.convert("L"))
    return shown


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert the image by its profile. It stays unchanged without a profile, or with one that cannot be used."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L" and profile[16:20] == b"RGB ":
            image = image.convert("RGB")
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        turned = ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode)
    except (ImageCms.PyCMSError, ValueError, OSError):
        return image
    return turned or image


def name(image: Image.Image, primaries: int, transfer: int, brightest: float = hdr.BRIGHTEST_NITS) -> None:
    """Set the colour space of an image by code points of H.273."""
    if transfer in hdr.CURVES:
        image.info.pop("icc_profile", None)
        image.info[HDR] = (primaries, transfer, brightest)
    elif profile := profiles.of_numbers(primaries, transfer):
        image.info["icc_profile"] = profile
