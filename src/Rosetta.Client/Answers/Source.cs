namespace Rosetta.Client.Answers;

/// <summary>A source as the API shows it: without its password.</summary>
public sealed record Source(
    long Id,
    string Name,
    string PgHost,
    int PgPort,
    string PgDatabase,
    string PgUsername,
    string? PgSslMode,
    string? PublicationName,
    string? ReplicationName);

/// <summary>Answer of test-connection.</summary>
public sealed record ConnectionTest(bool Ok, string? ServerVersion, double? LatencyMs, string? Error, string? Hint);

/// <summary>What a preflight found.</summary>
public sealed record Preflight(bool Ok, IReadOnlyList<Finding> Findings);

/// <summary>One finding.</summary>
/// <param name="Severity">error, warning or info.</param>
/// <param name="FixSql">The statement that mends it, where one does.</param>
public sealed record Finding(string Severity, string Check, string Detail, string? FixSql);

/// <summary>A table of a source.</summary>
public sealed record SourceTable(
    string Schema,
    string Table,
    IReadOnlyList<SourceColumn>? Columns,
    IReadOnlyList<string>? PrimaryKey,
    string? ReplicaIdentity,
    long? EstimatedRows,
    long? EstimatedBytes,
    bool? Published);

public sealed record SourceColumn(string Name, string Type, bool Nullable);

/// <summary>A publication made through the API.</summary>
/// <param name="InsertOnly">Tables without replica identity: their updates and deletes are not published.</param>
public sealed record Publication(
    [property: System.Text.Json.Serialization.JsonPropertyName("publication")] string Name,
    IReadOnlyList<string> Tables,
    IReadOnlyList<string>? InsertOnly);
