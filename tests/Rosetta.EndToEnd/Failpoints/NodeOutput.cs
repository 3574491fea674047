namespace Rosetta.EndToEnd.Failpoints;

/// <summary>Keeps the log of a node in this process out of the tests' own output: into the folder ROSETTA_TEST_LOGS, if one is set.</summary>
sealed class NodeOutput : IDisposable
{
    readonly TextWriter _console = Console.Out;
    readonly TextWriter _file;

    public NodeOutput()
    {
        _file = Environment.GetEnvironmentVariable("ROSETTA_TEST_LOGS") is { } folder
            ? TextWriter.Synchronized(new StreamWriter(Path.Combine(folder, "node-in-process.log")) { AutoFlush = true })
            : TextWriter.Null;
        Console.SetOut(_file);
    }

    public void Dispose()
    {
        Console.SetOut(_console);
        _file.Dispose();
    }
}
