import { toString as toQr } from 'qrcode'

/** The QR code of a text as SVG: black on white whatever the page's colours, with the quiet zone of four modules. */
export function qrSvg(text: string): Promise<string> {
  return toQr(text, {
    type: 'svg',
    errorCorrectionLevel: 'M',
    margin: 4,
    color: { dark: '#000000ff', light: '#ffffffff' },
  })
}
