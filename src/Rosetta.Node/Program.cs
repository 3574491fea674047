using Akka.Actor;
using Rosetta.Actors.Cluster;
using Rosetta.Core.Failpoints;
using Rosetta.Node;
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

try
{
    var app = NodeHost.Build(builder, settings);
    var system = app.Services.GetRequiredService<ActorSystem>();
    await app.RunAsync();
    return Environment.ExitCode == ExitCodes.WrongSetting ? ExitCodes.WrongSetting : ClusterExit.CodeFor(system);
}
finally
{
    await Log.CloseAndFlushAsync();
}
