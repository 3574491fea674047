using Akka.Actor;

namespace Rosetta.Actors.TestNode;

/// <summary>
/// Stands for a pipeline: says when it starts, drains and stops. Told to stop it drains for a while before it stops itself.
/// </summary>
public sealed class TestEntity : ReceiveActor, IWithTimers
{
    readonly long _id;

    public TestEntity(long id, TimeSpan drain)
    {
        _id = id;
        Receive<EnsureEntity>(_ => { });
        Receive<StopEntity>(_ =>
        {
            Say("DRAINING");
            Timers!.StartSingleTimer(Drained.Instance, Drained.Instance, drain);
        });
        Receive<Drained>(_ =>
        {
            Say("DRAINED");
            Context.Stop(Self);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Say("STARTED");

    protected override void PostStop() => Say("STOPPED");

    void Say(string what) => Console.WriteLine($"{what} {_id}.");

    public sealed class StopEntity
    {
        public static readonly StopEntity Instance = new();
    }

    sealed class Drained
    {
        public static readonly Drained Instance = new();
    }
}
