using Akka.Actor;
using Akka.Hosting;
using OpenTelemetry.Metrics;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Pipelines;
using Rosetta.Api;
using Rosetta.Core.Failpoints;
using Rosetta.Node;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.Secrets;
using Serilog;

NodeSettings settings;
var builder = WebApplication.CreateBuilder(args);
try
{
    settings = NodeSettings.Read(builder.Configuration);
    Failpoint.ArmFromSetting(settings.Failpoints);
}
catch (Exception e) when (e is NodeSettingException or FormatException)
{
    Console.Error.WriteLine($"rosetta node: {e.Message}");
    return ExitCodes.WrongSetting;
}

NodeLogging.Configure(builder, settings);
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddSingleton(settings);
builder.Services.AddSingleton(provider => new ConfigDatabase(settings.ConfigDatabaseUrl, provider.GetRequiredService<ILogger<ConfigDatabase>>()));
builder.Services.AddSingleton(provider => new ConfigStoreAccess(
    provider.GetRequiredService<ConfigDatabase>(), settings.SecretKey, SecretKeyFile.DefaultPath(settings.DataDirectory),
    provider.GetRequiredService<ILoggerFactory>()));
builder.Services.AddAkka(ClusterSettings.SystemName, (akka, provider) => akka
    .ConfigureLoggers(loggers =>
    {
        loggers.ClearLoggers();
        loggers.AddLoggerFactory();
    })
    .AddRosettaCluster(settings.Cluster, ClusterDataSource.Create(provider.GetRequiredService<ConfigDatabase>().ConnectionString), PipelineWireMessages.All));
builder.Services.AddSingleton<IClusterView>(provider => new ClusterView(provider.GetRequiredService<ActorSystem>()));
builder.Services.AddSingleton(provider => new ClusterHealth(provider.GetRequiredService<ActorSystem>()));
builder.Services.AddHostedService<NodeStartup>();
builder.AddRosettaApi(settings.Api);
builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(80));
builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics
    .AddMeter(LaneMetrics.MeterName)
    .AddRuntimeInstrumentation()
    .AddAspNetCoreInstrumentation()
    .AddPrometheusExporter());

try
{
    var app = builder.Build();
    app.MapRosettaApi();
    app.MapPrometheusScrapingEndpoint("/metrics");
    var system = app.Services.GetRequiredService<ActorSystem>();
    await app.RunAsync();
    return Environment.ExitCode == ExitCodes.WrongSetting ? ExitCodes.WrongSetting : ClusterExit.CodeFor(system);
}
finally
{
    await Log.CloseAndFlushAsync();
}
