using Akka.Actor;
using Rosetta.Actors;
using Rosetta.Actors.Monitoring;
using Rosetta.Actors.Pipelines;
using Rosetta.Actors.Recovery;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Secrets;
using Rosetta.Store.Spill;

namespace Rosetta.Node;

/// <summary>
/// Opens the config database in the background (the API answers 503 until then) and then starts what runs pipelines. A wrong key or
/// setting ends the process with a message that names it.
/// </summary>
sealed partial class NodeStartup(
    ConfigStoreAccess access, DeadLetterAccess letters, NodeSettings settings, ActorSystem system, IHostApplicationLifetime lifetime, ILoggerFactory loggers, TimeProvider time)
    : BackgroundService
{
    readonly ILogger _logger = loggers.CreateLogger<NodeStartup>();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var store = await access.OpenAsync(stoppingToken).ConfigureAwait(false);
            var services = new PipelineServices(
                store.Installation.Uuid, store.Pipelines, store.PipelineDestinations, store.Epochs, store.SlotRecords, store.Reports, store.Requests, store.Backfills, store.Verifies, store.Notifications, store.DataFlow,
                DestinationFactory.Make, settings.Pipelines, time)
            {
                Spill = new ConfigSpillStore(store.Database),
                DeadLetters = settings.Pipelines.Parking ? letters.Current : null,
                Recovery = new RecoveryRecords(store.Recoveries, store.Audit),
            };
            var listener = new ConfigListener(store.Database, loggers.CreateLogger<ConfigListener>());
            await PipelineHosting
                .StartAsync(system, services, listener, new MonitorServices(store, settings.WalMonitorInterval, time), stoppingToken)
                .ConfigureAwait(false);
            LogReady(store.Database.Where);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopped while waiting.
        }
        catch (Exception e) when (e is SecretKeyException or ConfigDatabaseSettingException)
        {
            LogCannotStart(e.Message);
            Environment.ExitCode = ExitCodes.WrongSetting;
            lifetime.StopApplication();
        }
    }

    [LoggerMessage(100, LogLevel.Information, "Ready: pipelines of [{Where}] run here")]
    partial void LogReady(string where);

    [LoggerMessage(101, LogLevel.Critical, "The node cannot start: {Reason}")]
    partial void LogCannotStart(string reason);
}
