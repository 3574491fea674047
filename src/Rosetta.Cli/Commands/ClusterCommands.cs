using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Rosetta.Client.Answers;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta cluster</c>, with the verbs and lines that operators of Akka.NET clusters know.</summary>
static class ClusterCommands
{
    public static Command Create()
    {
        var address = new Argument<string>("address") { Description = "host:port of a node, as 'rosetta cluster show' prints it" };
        return Verb.Group(
            "cluster", "The nodes of the cluster",
            Verb.Create("show", "Every node: address | roles | status | reachability | version | pipelines", ShowAsync),
            Verb.Create("leave", "A node drains its pipelines and leaves", i => MoveAsync(i, address, "leave"), address),
            Verb.Create("down", "A node that cannot be reached is taken for dead; its pipelines move", i => MoveAsync(i, address, "down"), address));
    }

    static async Task ShowAsync(Invocation i)
    {
        var answer = await i.GetAsync("cluster");
        if (i.Json)
        {
            i.Line(Wire.Indent(answer.Text));
            return;
        }
        var cluster = answer.As<ClusterView>();
        foreach (var member in cluster.Members)
            i.Line(Line(member, cluster.Leader));
        i.Line($"Count: {cluster.Members.Count} nodes");
    }

    static string Line(ClusterMember member, string? leader)
    {
        // An empty column is a node that can be reached.
        var reachability = member.Reachable is false ? "unreachable" : "";
        var leads = member.Address == leader ? " [leader]" : "";
        var roles = string.Join(", ", member.Roles ?? []);
        return $"{member.Node ?? member.Address} | [{roles}] | {member.Status.ToLowerInvariant()} | {reachability} | {member.Version}{leads} | pipelines: {member.PipelineCount}";
    }

    static async Task MoveAsync(Invocation i, Argument<string> argument, string verb)
    {
        var address = i.Value(argument);
        address = address[(address.LastIndexOf('@') + 1)..];
        i.Confirm(verb == "down" ? $"Down {address}? It must be dead: it is shut out and its pipelines move." : $"Let {address} leave the cluster?");
        i.Done(await i.PostAsync($"cluster/{Uri.EscapeDataString(address)}/{verb}"), $"{address}: {verb} asked for");
    }
}
