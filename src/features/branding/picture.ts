/** What a picture is, by its own bytes: whoever sent it may say anything. */
import type { PictureType } from './index.ts';

export interface Picture {
  type: PictureType;
  /** In pixels. */
  width: number;
  height: number;
}

/**
 * Type and size of a PNG (ISO/IEC 15948), a JPEG (ITU-T T.81) or a WebP (RFC 9649); undefined for everything else, and for a picture with
 * something before or after it, which might be a page or a script as well.
 */
export function inspectPicture(bytes: Buffer): Picture | undefined {
  const found = inspectPng(bytes) ?? inspectJpeg(bytes) ?? inspectWebp(bytes);
  return found && found.width > 0 && found.height > 0 ? found : undefined;
}

const PNG_BEGIN = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const PNG_END = Buffer.from('0000000049454e44ae426082', 'hex');

function inspectPng(bytes: Buffer): Picture | undefined {
  if (bytes.length < 45 || !bytes.subarray(0, 16).equals(PNG_BEGIN) || !bytes.subarray(-12).equals(PNG_END)) return undefined;
  // Chunk by chunk to the end: the first end of the picture has to be the end of the file.
  let at = 8;
  while (at + 12 <= bytes.length) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'IEND') break;
    at += 12 + bytes.readUInt32BE(at);
  }
  return at + 12 === bytes.length ? { type: 'image/png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) } : undefined;
}

const NO_FRAME = new Set([0xc4, 0xc8, 0xcc]);

function inspectJpeg(bytes: Buffer): Picture | undefined {
  if (bytes.length < 20 || bytes.readUInt16BE(0) !== 0xffd8 || bytes.readUInt16BE(bytes.length - 2) !== 0xffd9) return undefined;
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    // A picture without a frame before its data has no size.
    if (marker === 0xda || marker === 0xd9 || marker < 0xc0) return undefined;
    if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAME.has(marker))
      return { type: 'image/jpeg', height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function inspectWebp(bytes: Buffer): Picture | undefined {
  if (bytes.length < 30 || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WEBP') return undefined;
  if (bytes.readUInt32LE(4) + 8 !== bytes.length) return undefined;
  const size = webpSize(bytes);
  return size && { type: 'image/webp', ...size };
}

function webpSize(bytes: Buffer): { width: number; height: number } | undefined {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      if (bytes.readUIntBE(23, 3) !== 0x9d012a) return undefined;
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      if (bytes[20] !== 0x2f) return undefined;
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}
