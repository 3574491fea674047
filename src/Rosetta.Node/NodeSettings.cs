using Rosetta.Actors.Cluster;
using Rosetta.Actors.Pipelines;
using Rosetta.Api.Access;
using Rosetta.Api.Hosting;
using Rosetta.Store.DeadLetters;

namespace Rosetta.Node;

/// <summary>
/// A node's settings: <c>appsettings.json</c>, then the environment (<c>ROSETTA__...</c> and the short names below), then the command line.
/// </summary>
public sealed record NodeSettings(
    string? ConfigDatabaseUrl, string? SecretKey, string? DataDirectory, ApiSettings Api, string LogLevel, string? Failpoints,
    ClusterSettings Cluster, PipelineSettings Pipelines, TimeSpan WalMonitorInterval, DeadLetterSettings DeadLetters)
{
    /// <exception cref="NodeSettingException">A value is wrong; the message names its key and what is allowed.</exception>
    public static NodeSettings Read(IConfiguration configuration)
    {
        var cluster = configuration.GetSection("Rosetta:Cluster").Get<ClusterSettings>() ?? new ClusterSettings();
        var pipelines = configuration.GetSection("Rosetta:Pipelines").Get<PipelineSettings>() ?? new PipelineSettings();
        var listen = configuration.GetSection("Rosetta:Listen").Get<ListenSettings>() ?? new ListenSettings();
        if (Number(configuration, "PIPELINE_POOL_MAX_CONN", 1, 64) is { } connections)
            pipelines = pipelines with { PoolMaxConnections = connections };
        var letters = ReadDeadLetters(configuration);
        if (Text(configuration, "DLQ_CHECK_INTERVAL") is not null)
            pipelines = pipelines with { RecoveryInterval = letters.CheckInterval };
        if (Text(configuration, "DLQ_MAX_RETRY_COUNT") is not null)
            pipelines = pipelines with { RecoveryTries = letters.MaxRetryCount };
        if (Text(configuration, "DLQ_BATCH_SIZE") is not null)
            pipelines = pipelines with { RecoveryBatch = letters.BatchSize };
        if (Text(configuration, "DLQ_MAX_AGE_DAYS") is not null)
            pipelines = pipelines with { RecoveryMaxAge = letters.MaxAge };
        // The API shows by the same numbers.
        letters = letters with { CheckInterval = pipelines.RecoveryInterval, MaxRetryCount = pipelines.RecoveryTries, BatchSize = pipelines.RecoveryBatch, MaxAge = pipelines.RecoveryMaxAge };
        ApiSettings api;
        try
        {
            api = ApiSettings.Create(listen.Address, listen.ApiPort, listen.HealthPort, Text(configuration, "ROSETTA_API_KEYS"));
        }
        catch (ApiSettingException e)
        {
            throw new NodeSettingException(e.Message);
        }

        var settings = new NodeSettings(
            Text(configuration, "CONFIG_DATABASE_URL"), Text(configuration, "SECRET_KEY"), Text(configuration, "ROSETTA_DATA_DIR"),
            api, Text(configuration, "LOG_LEVEL") ?? "Information", Text(configuration, "ROSETTA_FAILPOINTS"),
            cluster, pipelines, TimeSpan.FromSeconds(Number(configuration, "WAL_MONITOR_INTERVAL_SECONDS", 1, 86_400) ?? 300),
            letters);
        settings.Check();
        return settings;
    }

    void Check()
    {
        if (ConfigDatabaseUrl is null)
        {
            throw new NodeSettingException(
                "CONFIG_DATABASE_URL is not set. Set it to the config database, for example postgres://rosetta:password@127.0.0.1:5433/rosetta.");
        }

        if (SecretKey is { Length: < 16 })
            throw new NodeSettingException("SECRET_KEY has fewer than 16 characters. Any string of 16 characters or more will do; all nodes need the same.");
        try
        {
            Cluster.Validate();
            Pipelines.Validate();
            DeadLetters.Validate();
        }
        catch (Exception e) when (e is ArgumentException or DeadLetterSettingException)
        {
            throw new NodeSettingException(e.Message);
        }
    }

    static DeadLetterSettings ReadDeadLetters(IConfiguration configuration)
    {
        var usual = DeadLetterSettings.Default;
        return new DeadLetterSettings(
            Text(configuration, "REDIS_URL"), Text(configuration, "DLQ_KEY_PREFIX") ?? usual.KeyPrefix,
            Number(configuration, "DLQ_CHECK_INTERVAL", 1, 86_400) is { } interval ? TimeSpan.FromSeconds(interval) : usual.CheckInterval,
            Number(configuration, "DLQ_BATCH_SIZE", 1, 10_000) ?? usual.BatchSize, Number(configuration, "DLQ_MAX_RETRY_COUNT", 0, 1_000_000) ?? usual.MaxRetryCount,
            Number(configuration, "DLQ_MAX_AGE_DAYS", 1, 36_500) is { } days ? TimeSpan.FromDays(days) : usual.MaxAge);
    }

    static string? Text(IConfiguration configuration, string key) =>
        configuration[key] is { } value && !string.IsNullOrWhiteSpace(value) ? value : null;

    static int? Number(IConfiguration configuration, string key, int least, int most)
    {
        if (Text(configuration, key) is not { } text)
            return null;
        return int.TryParse(text, out var number) && number >= least && number <= most
            ? number
            : throw new NodeSettingException($"{key} is '{text}'; it must be a whole number from {least} to {most}.");
    }
}

/// <summary>Section <c>Rosetta:Listen</c>.</summary>
public sealed record ListenSettings
{
    /// <summary>Address to listen on. Anything but loopback needs <c>ROSETTA_API_KEYS</c>.</summary>
    public string Address { get; init; } = "127.0.0.1";

    /// <summary>Port of the API. Null: 8000, or a free one when that is taken.</summary>
    public int? ApiPort { get; init; }

    /// <summary>Port of health and metrics. Null: 8001, or a free one when that is taken.</summary>
    public int? HealthPort { get; init; }
}

/// <summary>A setting is wrong; start-up ends with this message.</summary>
public sealed class NodeSettingException(string message) : Exception(message);
