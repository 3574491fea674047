using System.Text.Json;
using Akka.Actor;
using Rosetta.Actors.Cluster.Views;

namespace Rosetta.Actors.TestNode;

/// <summary>Stands for the config poller: asserts every second that all entities run. Also prints the cluster whenever it changed.</summary>
public sealed class EntityPoller : ReceiveActor, IWithTimers
{
    readonly ClusterView _view = new(Context.System);
    string _last = "";

    public EntityPoller(IActorRef region, int entities)
    {
        Receive<Poll>(_ =>
        {
            for (var id = 1; id <= entities; id++)
                region.Tell(new EnsureEntity(id));
            _view.GetAsync(CancellationToken.None).PipeTo(Self);
        });
        Receive<ClusterSnapshot>(snapshot =>
        {
            var text = JsonSerializer.Serialize(snapshot);
            if (text != _last)
                Console.WriteLine($"VIEW {text}");
            _last = text;
        });
        Receive<Status.Failure>(failure => Console.WriteLine($"VIEW failed: {failure.Cause}"));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer(Poll.Instance, Poll.Instance, TimeSpan.Zero, TimeSpan.FromSeconds(1));

    sealed class Poll
    {
        public static readonly Poll Instance = new();
    }
}
