using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Api.Documents;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Cluster;

/// <summary><c>/cluster</c>: the nodes, and which pipelines run where.</summary>
static class ClusterEndpoints
{
    public static void MapCluster(this RouteGroupBuilder api)
    {
        var cluster = api.MapGroup("/cluster").WithTags("Cluster");

        cluster.MapGet("/", async (IClusterView view, CancellationToken cancellationToken) =>
            {
                var snapshot = await view.GetAsync(cancellationToken);
                return TypedResults.Ok(new ClusterAnswer(
                    [.. snapshot.Members.Select(m => new MemberAnswer(
                        m.Address, m.AkkaAddress, m.Roles, m.Status, m.Reachable, m.Version, m.Pipelines, m.IsSelf))],
                    snapshot.Leader, [.. snapshot.Shards.Select(s => new ShardAnswer(s.PipelineId, s.Address, s.Running))], snapshot.SilentRegions));
            })
            .Describe("Show the cluster as the answering node sees it").Gives<ClusterAnswer>();

        cluster.MapPost("/{address}/leave", (string address, IClusterView view) => Answer(address, view.Leave(address)))
            .Describe("Ask a node to drain its pipelines and leave").Gives<MemberCommandAnswer>(StatusCodes.Status202Accepted).Refuses(404);

        cluster.MapPost("/{address}/down", (string address, IClusterView view) => Answer(address, view.Down(address)))
            .Describe("Take a dead node out at once", "A living one ends its process.").Gives<MemberCommandAnswer>(StatusCodes.Status202Accepted).Refuses(404);
    }

    static IResult Answer(string address, ClusterCommandResult result) => result switch
    {
        ClusterCommandResult.Accepted => TypedResults.Accepted("/api/v1/cluster", new MemberCommandAnswer(address)),
        ClusterCommandResult.UnknownMember => Problem.NotFound($"The cluster has no member {address}. GET /api/v1/cluster lists them."),
        _ => Problem.NotFound($"'{address}' is no address of a member: it has the form host:port, as in GET /api/v1/cluster."),
    };
}

/// <param name="Leader">host:port of the leader; null while there is none.</param>
/// <param name="Shards">Where each pipeline runs.</param>
/// <param name="SilentMembers">Members that could not be asked in time; their pipelines are missing.</param>
public sealed record ClusterAnswer(
    IReadOnlyList<MemberAnswer> Members, string? Leader, IReadOnlyList<ShardAnswer> Shards, IReadOnlyList<string> SilentMembers);

/// <param name="Address">host:port, as leave and down take it.</param>
/// <param name="Node">The full address, as in a pipeline's runtime.node.</param>
/// <param name="Pipelines">Ids of the pipelines that run there.</param>
/// <param name="Self">The node that answers.</param>
public sealed record MemberAnswer(
    string Address, string Node, IReadOnlyList<string> Roles, string Status, bool Reachable, string Version, IReadOnlyList<long> Pipelines, bool Self);

/// <param name="Running">False: allocated there, but not started (again) yet.</param>
public sealed record ShardAnswer(long PipelineId, string Address, bool Running);

public sealed record MemberCommandAnswer(string Address);
