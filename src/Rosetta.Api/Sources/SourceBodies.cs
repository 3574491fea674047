namespace Rosetta.Api.Sources;

/// <summary>Body of <c>POST /sources</c> and of its test-connection.</summary>
/// <param name="PgSslMode">disable, allow, prefer, require, verify-ca or verify-full.</param>
/// <param name="PublicationName">A publication of this name is used as it is; otherwise each pipeline makes <c>&lt;name&gt;_p&lt;id&gt;</c>.</param>
/// <param name="ReplicationName">Slots are named <c>&lt;name&gt;_p&lt;id&gt;</c>.</param>
public sealed record CreateSource(
    string Name,
    string PgHost,
    string PgDatabase,
    string PgUsername,
    string? PgPassword = null,
    int PgPort = 5432,
    string PgSslMode = "prefer",
    string PublicationName = "rosetta",
    string ReplicationName = "rosetta");

/// <summary>Body of <c>PUT /sources/{id}</c>: what is absent stays as it is, the password too when it is null.</summary>
/// <param name="Id">Accepted and ignored, so that an answer of GET can be sent back.</param>
/// <param name="CreatedAt">Accepted and ignored.</param>
/// <param name="UpdatedAt">Accepted and ignored.</param>
public sealed record ChangeSource(
    string? Name = null,
    string? PgHost = null,
    int? PgPort = null,
    string? PgDatabase = null,
    string? PgUsername = null,
    string? PgPassword = null,
    string? PgSslMode = null,
    string? PublicationName = null,
    string? ReplicationName = null,
    long? Id = null,
    string? CreatedAt = null,
    string? UpdatedAt = null);

/// <summary>A source in answers; never with its password.</summary>
public sealed record SourceAnswer(
    long Id,
    string Name,
    string PgHost,
    int PgPort,
    string PgDatabase,
    string PgUsername,
    string PgSslMode,
    string PublicationName,
    string ReplicationName,
    DateTime CreatedAt,
    DateTime UpdatedAt);

/// <summary>Answer of test-connection, always with status 200.</summary>
/// <param name="LatencyMs">Of one statement, in milliseconds.</param>
/// <param name="Hint">What to do about the error.</param>
public sealed record ConnectionTestAnswer(bool Ok, string? ServerVersion, long? LatencyMs, string? Error, string? Hint);
