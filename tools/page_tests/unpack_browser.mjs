// Unpacks the browser, with the libraries and the font that it needs, into TMPDIR.
import chromium from "@sparticuz/chromium";

process.stdout.write(`${await chromium.executablePath()}\n`);
