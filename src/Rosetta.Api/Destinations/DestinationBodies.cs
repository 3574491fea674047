using System.Text.Json.Nodes;

namespace Rosetta.Api.Destinations;

/// <summary>Body of <c>POST /destinations</c> and of its test-connection.</summary>
/// <param name="Type">POSTGRES (also POSTGRESQL).</param>
/// <param name="Config">The fields of that type, see <see cref="PostgresConfig"/>.</param>
public sealed record CreateDestination(string Name, string Type, JsonObject Config);

/// <summary>Body of <c>PUT /destinations/{id}</c>: what is absent stays as it is, also inside <paramref name="Config"/>; a secret that is null stays too.</summary>
/// <param name="Type">Cannot be changed; may be repeated.</param>
/// <param name="Id">Accepted and ignored, so that an answer of GET can be sent back.</param>
/// <param name="CreatedAt">Accepted and ignored.</param>
/// <param name="UpdatedAt">Accepted and ignored.</param>
public sealed record ChangeDestination(
    string? Name = null, string? Type = null, JsonObject? Config = null, long? Id = null, string? CreatedAt = null, string? UpdatedAt = null);

/// <summary>How a PostgreSQL destination is reached.</summary>
/// <param name="Schema">Null: every table goes to the schema it has at the source.</param>
/// <param name="SslMode">disable, allow, prefer, require, verify-ca or verify-full.</param>
public sealed record PostgresConfig(
    string Host, string Database, string User, string? Password = null, int Port = 5432, string? Schema = null, string SslMode = "prefer");

/// <summary>The same for PUT.</summary>
public sealed record PostgresConfigChange(
    string? Host = null, string? Database = null, string? User = null, string? Password = null, int? Port = null, string? Schema = null, string? SslMode = null);

/// <summary>A destination in answers; <paramref name="Config"/> never with a secret.</summary>
public sealed record DestinationAnswer(long Id, string Name, string Type, JsonObject Config, DateTime CreatedAt, DateTime UpdatedAt);
