using DuckDB.NET.Native;

namespace Rosetta.Transforms.Engine;

/// <summary>
/// A DuckDB instance in memory that reaches nothing: no files, network, extensions or settings. The SQL that it gets is written by
/// <see cref="Compilation"/> from a checked tree; the lock is the second wall, not the first. Thread-safe; connections are not.
/// </summary>
public sealed class DuckEngine : IDisposable
{
    readonly DuckDBDatabase _database;
    int _functions;

    public DuckEngine(EngineLimits? limits = null)
    {
        Limits = limits ?? EngineLimits.Default;
        if (NativeMethods.Startup.DuckDBOpen(":memory:", out _database) != DuckDBState.Success)
            throw new DuckException("DuckDB could not be started.");
        using var connection = Connect();
        string[] settings =
        [
            "SET temp_directory = ''",
            "SET enable_external_access = false",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET allow_community_extensions = false",
            FormattableString.Invariant($"SET memory_limit = '{Limits.MemoryMegabytes}MiB'"),
            "SET threads = 1",
            "SET TimeZone = 'UTC'",
            "SET Calendar = 'gregorian'",
            "SET max_expression_depth = 500",
            "SET lock_configuration = true",
        ];
        foreach (var setting in settings)
            connection.Run(setting);
    }

    public EngineLimits Limits { get; }

    public DuckConnection Connect()
    {
        if (NativeMethods.Startup.DuckDBConnect(_database, out var connection) != DuckDBState.Success)
            throw new DuckException("DuckDB refused a connection.");
        return new DuckConnection(connection, Limits);
    }

    /// <summary>A name for a table function that no other one of this instance has.</summary>
    internal string NextFunctionName() => FormattableString.Invariant($"rosetta_rows_{Interlocked.Increment(ref _functions)}");

    public void Dispose() => _database.Dispose();
}
