using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Core.Pipelines;
using Rosetta.Postgres.Wire;
using Rosetta.Store.Secrets;

namespace Rosetta.Api.Destinations;

/// <summary>Reads the <c>config</c> of a destination by its type, strictly, and gives it as it is stored.</summary>
static class PostgresConfigReader
{
    /// <summary>The type, or 422. Snowflake is a type of the contract that this version does not have.</summary>
    public static DestinationType ReadType(string type) => type.ToUpperInvariant() switch
    {
        "POSTGRES" or "POSTGRESQL" => DestinationType.Postgres,
        "SNOWFLAKE" => throw Refusal("type", "SNOWFLAKE destinations are not available in this version; allowed is POSTGRES"),
        _ => throw Refusal("type", "must be POSTGRES"),
    };

    /// <summary>All fields, defaults filled in.</summary>
    public static JsonObject ReadNew(JsonObject config)
    {
        var errors = new FieldErrors();
        var read = Bind<PostgresConfig>(config, errors);
        if (read is not null) Check(read.Host, read.Database, read.User, read.Port, read.Schema, read.SslMode, errors);
        errors.ThrowIfAny("body");
        return new JsonObject
        {
            ["host"] = read!.Host, ["port"] = read.Port, ["database"] = read.Database, ["user"] = read.User, ["password"] = read.Password,
            ["schema"] = read.Schema, ["ssl_mode"] = Spelled(read.SslMode),
        };
    }

    /// <summary>The named fields only; a secret that is null is not named.</summary>
    public static JsonObject ReadChange(JsonObject config)
    {
        var errors = new FieldErrors();
        var read = Bind<PostgresConfigChange>(config, errors);
        if (read is not null) Check(read.Host, read.Database, read.User, read.Port, read.Schema, read.SslMode, errors);
        foreach (var (field, value) in config)
        {
            if (value is null && field is "host" or "port" or "database" or "user" or "ssl_mode")
                errors.Add($"config.{field}", "must not be null");
        }

        errors.ThrowIfAny("body");
        var named = (JsonObject)config.DeepClone();
        foreach (var secret in SecretPlaces.DestinationFields.Where(s => named.ContainsKey(s) && named[s] is null)) named.Remove(secret);
        if (read!.SslMode is { } mode) named["ssl_mode"] = Spelled(mode);
        return named;
    }

    static T? Bind<T>(JsonObject config, FieldErrors errors)
        where T : class
    {
        var own = new FieldErrors();
        var read = BodyBinder.Bind<T>(JsonSerializer.SerializeToElement(config), own);
        errors.AddBelow("config", own.ToDictionary());
        return read;
    }

    static void Check(string? host, string? database, string? user, int? port, string? schema, string? sslMode, FieldErrors errors)
    {
        foreach (var (field, value) in new[] { ("host", host), ("database", database), ("user", user), ("schema", schema) })
            if (value is not null && (value.Trim().Length == 0 || value.Length > 1000)) errors.Add($"config.{field}", "must not be empty");
        if (schema is not null && Encoding.UTF8.GetByteCount(schema) > 63) errors.Add("config.schema", "must have 63 bytes at most, as PostgreSQL's identifiers");
        if (port is < 1 or > 65535) errors.Add("config.port", "must be a port from 1 to 65535");
        if (sslMode is not null && !PgSslModes.TryParse(sslMode, out _)) errors.Add("config.ssl_mode", $"must be one of {PgSslModes.Allowed}");
    }

    static string Spelled(string sslMode) => PgSslModes.TryParse(sslMode, out var mode) ? mode.ToText() : sslMode;

    static RequestProblemException Refusal(string field, string message) => new(
        StatusCodes.Status422UnprocessableEntity, $"The body is not acceptable: {field}: {message}.", new Dictionary<string, string[]> { [field] = [message] });
}
