// A node of the cluster without pipelines, for tests that kill, freeze and stop whole processes.
using Akka.Actor;
using Akka.Cluster;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Actors.Cluster.Sharding;
using Rosetta.Actors.TestNode;
using ClusterSettings = Rosetta.Actors.Cluster.ClusterSettings;

string Text(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;
int Number(string name, int otherwise) => int.Parse(Text(name, otherwise.ToString(null, null)), null);

var port = Text("NODE_PORT", "");
var settings = new ClusterSettings
{
    Port = port.Length == 0 ? null : int.Parse(port, null),
    PublicPort = Text("NODE_PUBLIC_PORT", "") is { Length: > 0 } publicPort ? int.Parse(publicPort, null) : null,
    SeedNodes = Text("NODE_SEEDS", "").Split(',', StringSplitOptions.RemoveEmptyEntries),
    Version = Text("NODE_VERSION", "1.2.3"),
};
var entities = Number("NODE_ENTITIES", 0);
var drain = TimeSpan.FromMilliseconds(Number("NODE_DRAIN_MS", 0));

await using var database = ClusterDataSource.Create(Text("CONFIG_DATABASE", ""));
var host = Host.CreateApplicationBuilder(args);
host.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true);
host.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(90));
host.Services.AddAkka(ClusterSettings.SystemName, builder => builder
    .ConfigureLoggers(loggers =>
    {
        loggers.ClearLoggers();
        loggers.AddLoggerFactory();
    })
    .AddRosettaCluster(settings, database, TestWireJson.Messages)
    .AddHocon(Text("NODE_HOCON", ""), HoconAddMode.Prepend));

using var app = host.Build();
await app.StartAsync();
Console.WriteLine("HOST STARTED");
var node = app.Services.GetRequiredService<ActorSystem>();
Cluster.Get(node).RegisterOnMemberUp(() => Console.WriteLine($"MEMBER {Cluster.Get(node).SelfAddress}"));
try
{
    var region = await PipelineSharding.StartAsync(
        node, id => Props.Create(() => new TestEntity(id, drain)), TestEntity.StopEntity.Instance,
        cancellation: app.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
    node.ActorOf(Props.Create(() => new EntityPoller(region, entities)), "poller");
}
catch (OperationCanceledException)
{
    Console.WriteLine("STOPPED BEFORE IT WAS A MEMBER");
}
await app.WaitForShutdownAsync();
var code = ClusterExit.CodeFor(node);
Console.WriteLine($"EXIT {code}");
return code;
