// Starts Pyodide and hands over to inside.py: node inside.mjs <folder of pyodide> <packages> <project> [pytest's arguments]
import { pathToFileURL } from "node:url";

const [pyodide, packages, project, ...args] = process.argv.slice(2);
try {
    const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
    const python = await loadPyodide({ env: { HOME: "/tmp", HYPOTHESIS_STORAGE_DIRECTORY: "/tmp/hypothesis" } });
    python.FS.mkdirTree(project);
    python.mountNodeFS(project, project);
    python.mountNodeFS("/lib/python3.14/site-packages", packages); // where code counts as a library's
    python.FS.chdir(project);
    const path = [`${project}/tests/py314`, project];
    python.runPython(`import sys; sys.path[:0] = ${JSON.stringify(path)}`);
    process.exitCode = python.pyimport("inside").run(args);
} catch (error) {
    console.error(error.message); // Node itself would show the line of the source first, which is a megabyte long
    process.exitCode = 1;
}
