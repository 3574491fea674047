using System.Collections.Immutable;
using System.Globalization;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Actors.Cluster.Sharding;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rosetta.Actors.Cluster.Views;

/// <summary><see cref="IClusterView"/> over an actor system that was started through <c>AddRosettaCluster</c>.</summary>
public sealed class ClusterView(ActorSystem system) : IClusterView
{
    static readonly TimeSpan RegionPatience = TimeSpan.FromSeconds(2);

    readonly AkkaCluster _cluster = AkkaCluster.Get(system);

    public async Task<ClusterSnapshot> GetAsync(CancellationToken cancellation)
    {
        var state = _cluster.State;
        var regions = await RegionsAsync(cancellation).ConfigureAwait(false);
        var unreachable = state.Unreachable.Select(m => m.UniqueAddress).ToHashSet();
        var running = regions.ToDictionary(
            region => region.Key,
            region => region.Value.Stats.Where(shard => shard.Value > 0).Select(shard => PipelineId(shard.Key)).Order().ToList());
        var members = state.Members.Union(state.Unreachable).Select(member =>
        {
            var address = NodeKey.HostPort(member.Address);
            return new ClusterMember(
                address,
                member.Address.ToString(),
                [.. member.Roles.Order(StringComparer.Ordinal)],
                Text(member.Status),
                !unreachable.Contains(member.UniqueAddress),
                member.AppVersion.Version,
                running.GetValueOrDefault(address) ?? [],
                member.UniqueAddress.Equals(_cluster.SelfUniqueAddress));
        });
        var shards = regions.SelectMany(region =>
            region.Value.Stats.Select(shard => new PipelineShard(PipelineId(shard.Key), region.Key, shard.Value > 0)));
        var list = members.OrderBy(member => member.Address, StringComparer.Ordinal).ToList();
        return new ClusterSnapshot(
            list,
            state.Leader is { } leader ? NodeKey.HostPort(leader) : null,
            [.. shards.OrderBy(shard => shard.PipelineId)],
            [.. list.Where(member => HostsPipelines(member) && !regions.ContainsKey(member.Address)).Select(member => member.Address)]);
    }

    public ClusterCommandResult Leave(string? address) => Command(address, _cluster.Leave);

    public ClusterCommandResult Down(string? address) => Command(address, _cluster.Down);

    bool HostsPipelines(ClusterMember member) =>
        ClusterSharding.Get(system).ShardTypeNames.Contains(PipelineSharding.TypeName) && member.Status is "up" or "leaving";

    ClusterCommandResult Command(string? address, Action<Address> command)
    {
        if (!HostPort.TryParse(address, out var wanted))
            return ClusterCommandResult.NotAnAddress;
        var member = _cluster.State.Members.Union(_cluster.State.Unreachable)
            .FirstOrDefault(m => m.Address.Host == wanted.Host && m.Address.Port == wanted.Port);
        if (member is null)
            return ClusterCommandResult.UnknownMember;
        command(member.Address);
        return ClusterCommandResult.Accepted;
    }

    async Task<IReadOnlyDictionary<string, ShardRegionStats>> RegionsAsync(CancellationToken cancellation)
    {
        var sharding = ClusterSharding.Get(system);
        if (!sharding.ShardTypeNames.Contains(PipelineSharding.TypeName))
            return ImmutableDictionary<string, ShardRegionStats>.Empty;
        try
        {
            var stats = await sharding.ShardRegion(PipelineSharding.TypeName)
                .Ask<ClusterShardingStats>(new GetClusterShardingStats(RegionPatience), RegionPatience * 2, cancellation).ConfigureAwait(false);
            return stats.Regions.ToDictionary(
                region => NodeKey.HostPort(region.Key.HasGlobalScope ? region.Key : _cluster.SelfAddress), region => region.Value);
        }
        catch (AskTimeoutException)
        {
            // No coordinator at the moment (its node has just died): the members are shown, all of them as silent.
            return ImmutableDictionary<string, ShardRegionStats>.Empty;
        }
    }

    static long PipelineId(string shardId) => long.Parse(shardId, CultureInfo.InvariantCulture);

    static string Text(MemberStatus status) => status switch
    {
        MemberStatus.Joining => "joining",
        MemberStatus.WeaklyUp => "weaklyup",
        MemberStatus.Up => "up",
        MemberStatus.Leaving => "leaving",
        MemberStatus.Exiting => "exiting",
        MemberStatus.Down => "down",
        _ => "removed",
    };
}
