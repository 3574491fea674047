using Rosetta.Testing.Processes;

namespace Rosetta.Demo.Machine;

/// <summary>The ports of the demo: the documented ones, or free ones where those are taken.</summary>
sealed record DemoPorts(int Config, int Source, int Warehouse, int Replica, int Api, int Health, int Remoting)
{
    public static DemoPorts Choose(Journal journal)
    {
        return new DemoPorts(
            Take("config database", 5433), Take("source", 5434), Take("warehouse", 5435), Take("replica", 5436), Take("API", 8000),
            Take("health", 8001), Take("cluster", 4053));

        int Take(string purpose, int wanted)
        {
            if (FreePorts.IsFree(wanted))
                return wanted;
            var other = FreePorts.Next();
            journal.Say($"port {wanted} ({purpose}) is taken: using {other}");
            return other;
        }
    }
}
