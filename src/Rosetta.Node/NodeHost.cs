using Akka.Actor;
using Akka.Hosting;
using OpenTelemetry.Metrics;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Pipelines;
using Rosetta.Api;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;

namespace Rosetta.Node;

/// <summary>A node, put together from its settings: everything that the process runs, but not the process.</summary>
public static class NodeHost
{
    /// <summary>Stopping drains the lanes first: the host waits for that.</summary>
    static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(80);

    /// <param name="builder">Its services and logging are filled.</param>
    /// <param name="settings">Read from the builder's configuration, as a rule.</param>
    /// <returns>The node, not started.</returns>
    public static WebApplication Build(WebApplicationBuilder builder, NodeSettings settings)
    {
        NodeLogging.Configure(builder, settings);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton(provider => new ConfigDatabase(settings.ConfigDatabaseUrl, provider.GetRequiredService<ILogger<ConfigDatabase>>()));
        builder.Services.AddSingleton(provider => new ConfigStoreAccess(
            provider.GetRequiredService<ConfigDatabase>(), settings.SecretKey, SecretKeyFile.DefaultPath(settings.DataDirectory),
            provider.GetRequiredService<ILoggerFactory>()));
        builder.Services.AddSingleton(settings.DeadLetters);
        builder.Services.AddAkka(ClusterSettings.SystemName, (akka, provider) => akka
            .ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLoggerFactory();
            })
            .AddRosettaCluster(settings.Cluster, ClusterDataSource.Create(provider.GetRequiredService<ConfigDatabase>().ConnectionString), PipelineWireMessages.All)
            .AddJobJournal(provider.GetRequiredService<ConfigDatabase>().ConnectionString));
        builder.Services.AddSingleton<IClusterView>(provider => new ClusterView(provider.GetRequiredService<ActorSystem>()));
        builder.Services.AddSingleton(provider => new ClusterHealth(provider.GetRequiredService<ActorSystem>()));
        builder.Services.AddHostedService<NodeStartup>();
        builder.AddRosettaApi(settings.Api);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = ShutdownTimeout);
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter(LaneMetrics.MeterName)
            .AddRuntimeInstrumentation()
            .AddAspNetCoreInstrumentation()
            .AddPrometheusExporter());

        var app = builder.Build();
        app.MapRosettaApi();
        app.MapPrometheusScrapingEndpoint("/metrics");
        return app;
    }
}
