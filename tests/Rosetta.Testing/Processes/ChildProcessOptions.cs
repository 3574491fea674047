namespace Rosetta.Testing.Processes;

/// <summary>A program to run as a child, e.g. a node.</summary>
public sealed record ChildProcessOptions
{
    /// <summary>Names it in logs and errors.</summary>
    public required string Name { get; init; }

    /// <summary>A path, or a name on PATH.</summary>
    public required string Program { get; init; }

    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Added to this process's environment; null removes a variable.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    public string? WorkingDirectory { get; init; }

    /// <summary>Where all output goes as well; null: only the last lines are kept, in memory.</summary>
    public string? OutputFile { get; init; }

    /// <summary>Lines of output kept in memory.</summary>
    public int KeptLines { get; init; } = 5_000;

    /// <summary>Called with every line of output.</summary>
    public Action<string>? OnLine { get; init; }

    /// <summary>Where the kit says what it does.</summary>
    public Action<string>? Log { get; init; }
}
