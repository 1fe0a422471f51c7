// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Create3} from "@openzeppelin/contracts/utils/Create3.sol";
import {Credits} from "../Credits.sol";
import {Delegations} from "../Delegations.sol";
import {Escrow} from "../Escrow.sol";
import {NetworkRegistry} from "../NetworkRegistry.sol";
import {RewardsDistributor} from "../RewardsDistributor.sol";
import {Token} from "../Token.sol";
import {Emissions} from "../emissions/Emissions.sol";
import {GovernedWeights} from "../emissions/GovernedWeights.sol";
import {IEmissions} from "../interfaces/IEmissions.sol";
import {IMintable} from "../interfaces/IMintable.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {Test} from "./Vm.sol";
import {MockOracle} from "./mocks/MockOracle.sol";

/// @notice Emissions among the real contracts, deployed as Deployment does it; only the price is under control.
abstract contract EmissionsFixture is Test {
    uint256 internal constant T0 = 1_800_000_000;
    uint256 internal constant GENESIS_SUPPLY = 1e27;
    /// @dev Whole numbers a day: a million CAIRN, of which 450 000 base, 450 000 matched and 100 000 reserve.
    uint128 internal constant TOTAL = 1460e24;
    uint32 internal constant HALF_LIFE = 730;
    uint128 internal constant USD = 1e11;
    uint32 internal constant NET = 1;
    uint32 internal constant OTHER = 2;
    uint256 internal constant FLOOR = 1e9 * 1e11;

    address internal immutable authority = address(0xA07);
    address internal immutable publisher = address(0x9B);

    Token internal token;
    Credits internal credits;
    Escrow internal escrow;
    NetworkRegistry internal registry;
    RewardsDistributor internal distributor;
    GovernedWeights internal weights;
    Emissions internal emissions;
    MockOracle internal oracle;

    function _deploy() internal {
        vm.warp(T0);
        oracle = new MockOracle();
        oracle.set(1e18, 0, 1e18, 0);
        token = Token(_put("Token", type(Token).creationCode, abi.encode(this, GENESIS_SUPPLY, _at("Emissions"))));
        bytes memory args = abi.encode(token, _at("Escrow"), oracle, authority, FLOOR);
        credits = Credits(_put("Credits", type(Credits).creationCode, args));
        INetworkRegistry.Minimums memory least = INetworkRegistry.Minimums(60, 60, 60);
        args = abi.encode(token, uint128(0), least);
        registry = NetworkRegistry(_put("NetworkRegistry", type(NetworkRegistry).creationCode, args));
        args = abi.encode(registry, address(0x60A2D), address(0), address(0x57A));
        distributor = RewardsDistributor(_put("RewardsDistributor", type(RewardsDistributor).creationCode, args));
        address delegations = _put("Delegations", type(Delegations).creationCode, abi.encode(_at("Escrow")));
        args = abi.encode(credits, registry, delegations, distributor, uint40(T0));
        escrow = Escrow(_put("Escrow", type(Escrow).creationCode, args));
        weights = GovernedWeights(_put("Weights", type(GovernedWeights).creationCode, abi.encode(authority, escrow)));
        emissions = Emissions(_put("Emissions", type(Emissions).creationCode, abi.encode(_peers(), TOTAL, HALF_LIFE)));
        token.approve(address(credits), type(uint256).max);
        _createNetwork(0);
        _createNetwork(1);
    }

    function _peers() internal view returns (Emissions.Peers memory) {
        return Emissions.Peers(IMintable(address(token)), credits, escrow, registry, distributor, weights, authority);
    }

    function _put(bytes32 name, bytes memory code, bytes memory args) private returns (address) {
        return Create3.deploy(0, name, abi.encodePacked(code, args));
    }

    function _at(bytes32 name) private view returns (address) {
        return Create3.computeAddress(name);
    }

    function _params() internal pure returns (INetworkRegistry.Params memory p) {
        p.minStake = 1_000e18;
        p.epochLength = 1 hours;
        p.challengeWindow = 6 hours;
        p.rootEpochs = 1;
        p.thawWeeks = 3;
        p.maxSlashBps = 2000;
        p.responseWindow = 1 hours;
    }

    function _createNetwork(uint32 verifierNet) internal returns (uint32) {
        INetworkRegistry.Params memory p = _params();
        p.verifierNet = verifierNet;
        return registry.create(p, INetworkRegistry.Roles(publisher, address(0x7E), address(0xAB)), "meta");
    }

    /// @dev Pays `amount` of credits on a network, bought by this contract, and gets it back less the fee as `to`.
    function _pay(uint32 net, address to, uint128 amount) internal {
        _buyAndDeposit(amount);
        escrow.approveCollector(address(this), address(credits), amount, 2 days);
        escrow.lock(address(this), address(credits), "x", amount, uint40(block.timestamp + 1 days));
        escrow.pay(address(this), to, address(credits), net, "x", amount);
    }

    function _buyAndDeposit(uint128 amount) private {
        credits.mint(address(this), amount, type(uint256).max);
        credits.approve(address(escrow), amount);
        escrow.deposit(address(this), address(credits), amount);
    }

    function _nextPeriod() internal returns (uint32 over) {
        over = escrow.currentPeriod();
        vm.warp(T0 + (uint256(over) + 1) * 1 days);
    }

    function _count(uint32 period, uint32 net) internal {
        uint32[] memory nets = new uint32[](1);
        nets[0] = net;
        emissions.countFees(period, nets);
    }

    function _setShares(uint16 first, uint16 second) internal {
        (uint32[] memory nets, uint16[] memory shares) = (new uint32[](2), new uint16[](2));
        (nets[0], nets[1], shares[0], shares[1]) = (NET, OTHER, first, second);
        vm.prank(authority);
        weights.set(nets, shares);
    }

    /// @dev Makes everything that the pot has allocated, so that the next emission has room.
    function _allocateAll(uint32 net) internal {
        uint128 funded = distributor.pot(net, address(token)).funded;
        bytes32 leaf =
            keccak256(bytes.concat(keccak256(abi.encode(net, address(token), address(this), funded, bytes32(0)))));
        uint32 epoch = registry.currentEpoch(net) - 1;
        vm.prank(publisher);
        uint32 index = distributor.publish(net, address(token), epoch, leaf, funded, "data");
        vm.warp(block.timestamp + 6 hours);
        distributor.claim(net, address(token), index, address(this), funded, 0, new bytes32[](0));
    }
}
