// Plays all examples of pages on the lab's stage, as a reader's browser does, from the same archive:
// node stage.mjs <folder of pyodide> <python_stdlib.zip> <packages.zip> <pages.json> <where to write what was told>
import { readFileSync, writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"

const [folder, stdLibURL, archive, pages, told] = process.argv.slice(2)
try {
    const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
    const python = await loadPyodide({ stdLibURL, stdout: () => {}, stderr: () => {} });
    python.unpackArchive(new Uint8Array(readFileSync(archive)), "zip", { extractDir: "/lib/python3.14/site-packages" });
    const play = python.runPython(readFileSync(new URL("playing.py", import.meta.url), "utf-8") + "\nplay_all");
    writeFileSync(told, play(readFileSync(pages, "utf-8")));
} catch (error) {
    console.error(error.message);
    process.exitCode = 1;
}
